/** A window operator to be told what happens and asked for what it put out, as short text. */

import type { Key } from '../../../lib/base/hash.ts'
import { outputTag } from '../../../lib/function/output-tag.ts'
import type { ProcessWindowContext, RichProcessWindow } from '../../../lib/function/window-function.ts'
import {
  bufferedContents,
  evictingContents,
  type WindowContents,
} from '../../../lib/operator/window-contents.ts'
import { WindowOperator } from '../../../lib/operator/window-operator.ts'
import { type HarnessSnapshot, OperatorHarness } from '../../../lib/testing/operator-harness.ts'
import { t } from '../../../lib/types/t.ts'
import type { Evictor } from '../../../lib/window/evictor.ts'
import type { Trigger } from '../../../lib/window/trigger.ts'
import type { WindowAssigner } from '../../../lib/window/window-assigner.ts'

export interface Item {
  readonly key: string
  readonly value: number
}

export interface WindowSettings {
  readonly assigner: WindowAssigner<Item>
  readonly trigger?: Trigger<Item>
  readonly evictor?: Evictor<Item>
  readonly allowedLatenessMs?: number
  /** Without it late records are dropped. */
  readonly hasLateOutput?: boolean
  /** By default the values of a window, in order. */
  readonly process?: RichProcessWindow<Item, string, Key>
}

const item = t.object({ key: t.string, value: t.int32 })

/** `key start-end: values`. */
const listing: RichProcessWindow<Item, string, Key> = {
  process(key, { window }, elements, out) {
    out.collect(`${key} ${window.start}-${window.end}: ${[...elements].map(({ value }) => value).join(' ')}`)
  },
}

export class WindowScript {
  readonly #settings: WindowSettings
  #harness!: OperatorHarness<string>
  #nowMs = 0

  private constructor(settings: WindowSettings) {
    this.#settings = settings
  }

  static async open(settings: WindowSettings): Promise<WindowScript> {
    const script = new WindowScript(settings)
    await script.#open()
    return script
  }

  /** Records as `key value@timestamp`, several with commas between; what came out. */
  records(text: string): string[] {
    for (const each of text.split(',')) {
      const [, key, value, , timestamp] = /^\s*(\w+) (-?\d+)(@(-?\d+))?\s*$/.exec(each)!
      const at = timestamp === undefined ? undefined : Number(timestamp)
      this.#harness.element({ key, value: Number(value) }, at)
    }
    return this.#take()
  }

  watermark(timestamp: number): string[] {
    this.#harness.watermark(timestamp)
    return this.#take()
  }

  clock(nowMs: number): string[] {
    this.#nowMs = nowMs
    this.#harness.processingTime(nowMs)
    return this.#take()
  }

  /** Goes on from a snapshot; the watermark is not part of it. */
  async restore(): Promise<void> {
    const snapshot = await this.#harness.snapshot()
    await this.#harness.close()
    await this.#open(snapshot)
  }

  /** Entries in all tables: contents, windows in use, trigger state, timers. */
  get stateSize(): number {
    return this.#harness.keyed!.size
  }

  get lateCount(): number {
    return this.#harness.metrics.read().late_records_dropped_total ?? 0
  }

  async #open(restore?: HarnessSnapshot): Promise<void> {
    this.#harness = await OperatorHarness.open<string>({
      operator: () => newOperator(this.#settings),
      keySelectors: [({ key }: Item) => key] as never,
      processingTimeMs: this.#nowMs,
      ...(restore === undefined ? {} : { restore }),
    })
  }

  /** Results, late records as `late key value`; watermarks, which always come last, are checked and left out. */
  #take(): string[] {
    const outputs = this.#harness.takeOutput()
    const isLast = outputs.every(({ kind }, i) => kind !== 'watermark' || i === outputs.length - 1)
    if (!isLast) throw new Error('a watermark came before results')
    return outputs.flatMap((output) => {
      if (output.kind === 'record') return [checked(output.value, output.timestamp)]
      if (output.kind !== 'side') return []
      const { key, value } = output.value as Item
      return [`${output.tag} ${key} ${value}`]
    })
  }
}

/** A result that names its window must have the window's timestamp. */
function checked(result: string, timestamp: number | undefined): string {
  const end = /-(-?\w+): /.exec(result)?.[1]
  if (end !== undefined && timestamp !== Number(end) - 1)
    throw new Error(`${result} has timestamp ${timestamp}`)
  return result
}

function newOperator({
  assigner,
  trigger = assigner.defaultTrigger(),
  evictor,
  allowedLatenessMs = 0,
  hasLateOutput = false,
  process = listing,
}: WindowSettings): WindowOperator<Item, unknown, string> {
  const contents =
    evictor === undefined
      ? bufferedContents<Item, string>(item, process)
      : evictingContents<Item, string>(item, evictor, { kind: 'process', process })
  return new WindowOperator({
    assigner,
    trigger,
    contents: contents as unknown as WindowContents<Item, unknown, string>,
    allowedLatenessMs,
    lateTag: hasLateOutput ? outputTag<Item>('late') : null,
  })
}

export type Context = ProcessWindowContext<Key>
