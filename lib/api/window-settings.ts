/** What is said about windows before the function comes, and what of it cannot work: refused as soon as it is said. */
import { SluiceError } from '../base/errors.ts'
import { type Duration, parseDuration } from '../base/units.ts'
import { countEvictor, type Evictor } from '../window/evictor.ts'
import { countTrigger, purging, type Trigger } from '../window/trigger.ts'
import { globalWindow, type WindowAssigner } from '../window/window-assigner.ts'
import type { OperatorOptions } from './operator-options.ts'

export interface WindowSettings<T> {
  readonly assigner: WindowAssigner<T>
  /** Null: the assigner's default. */
  readonly trigger: Trigger<T> | null
  readonly evictor: Evictor<T> | null
  readonly allowedLatenessMs: number
}

export function windowSettings<T>(assigner: WindowAssigner<T>): WindowSettings<T> {
  checkMerging(assigner, assigner.defaultTrigger())
  return { assigner, trigger: null, evictor: null, allowedLatenessMs: 0 }
}

/** Flink's countWindow: all of time is one window, a trigger counts, an evictor leaves the last ones. */
export function countWindowSettings<T>(size: number, slide: number): WindowSettings<T> {
  if (!Number.isSafeInteger(size) || size < 1 || !Number.isSafeInteger(slide) || slide < 1 || slide > size) {
    throw new SluiceError(
      'GRAPH_INVALID',
      `count windows need a size of at least one record and a slide from 1 to that size, found size ${size}, slide ${slide}`,
    )
  }
  const isTumbling = slide === size
  return {
    assigner: globalWindow(),
    trigger: isTumbling ? purging(countTrigger(size)) : countTrigger(slide),
    evictor: isTumbling ? null : countEvictor(size),
    allowedLatenessMs: 0,
  }
}

/** Merging windows need a trigger that can follow them. */
export function checkMerging<T>(assigner: WindowAssigner<T>, trigger: Trigger<T>): void {
  if (!assigner.isMerging || trigger.onMerge !== undefined) return
  throw new SluiceError(
    'GRAPH_INVALID',
    `trigger "${trigger.name}" cannot be used with ${assigner.name} windows: they merge, and it has no onMerge`,
  )
}

/** The clock of a window cannot have stood still: its end is part of what it is. */
export function refuseShift<O>(operation: string, { timersOnRestore }: OperatorOptions<O>): void {
  if (timersOnRestore !== 'shift') return
  throw new SluiceError(
    'GRAPH_INVALID',
    `${operation}: timersOnRestore cannot be "shift", since the ends of windows are fixed; choose "fire" or "skip"`,
  )
}

export function parseLateness(lateness: Duration): number {
  const latenessMs = parseDuration(lateness)
  if (latenessMs >= 0) return latenessMs
  throw new SluiceError(
    'GRAPH_INVALID',
    `allowed lateness must not be negative, found ${JSON.stringify(lateness)}`,
  )
}

/** For the operator's description, which tells one window from another in graphs and fingerprints. */
export function describeWindows<T>({
  assigner,
  trigger,
  evictor,
  allowedLatenessMs,
}: WindowSettings<T>): string {
  return [
    assigner.name,
    ...(trigger === null ? [] : [`trigger ${trigger.name}`]),
    ...(evictor === null ? [] : [`evictor ${evictor.name}`]),
    ...(allowedLatenessMs === 0 ? [] : [`lateness ${allowedLatenessMs}ms`]),
  ].join(', ')
}
