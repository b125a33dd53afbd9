/** What is read of one stream under one subject, and how far that is. */
import type { Split } from '../../function/source.ts'
import { t } from '../../types/t.ts'
import type { Type } from '../../types/type.ts'

export interface JetStreamSplit extends Split {
  readonly id: string
  readonly stream: string
  /** May have wildcards; `>` for all of the stream. */
  readonly subject: string
  /** The sequence to go on with. */
  readonly next: number
  /** The last sequence to read; null: there is always more to come. */
  readonly end: number | null
}

export const JETSTREAM_SPLIT: Type<JetStreamSplit> = t.object({
  id: t.string,
  stream: t.string,
  subject: t.string,
  next: t.int64,
  end: t.nullable(t.int64),
})

export function splitId(stream: string, subject: string): string {
  return `${stream}/${subject}`
}
