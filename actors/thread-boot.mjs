/**
 * First file of a slot thread. Node cannot load TypeScript as the entry of a worker, and loader hooks registered in the
 * main thread do not reach it; so the thread registers them itself and then imports what it is for.
 */
import { workerData } from 'node:worker_threads'
import '../lib/api/register-loader.mjs'

// What jobs import: once it is there, no deployment waits for it.
await import('sluice')
await import(workerData.entry)
