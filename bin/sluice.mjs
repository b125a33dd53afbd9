#!/usr/bin/env node
/** The command line: prepares the loader, then runs the compiled program or, in a clone, its source. */
import { existsSync } from 'node:fs'

const compiled = new URL('../dist/bin/sluice.js', import.meta.url)
const source = new URL('./sluice.ts', import.meta.url)
const isClone = existsSync(source)
await import(
  new URL(isClone ? '../lib/api/register-loader.mjs' : '../dist/lib/api/register-loader.mjs', import.meta.url)
    .href
)
const { main } = await import((isClone ? source : compiled).href)
process.exitCode = await main(process.argv.slice(2))
