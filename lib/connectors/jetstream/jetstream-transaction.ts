/**
 * Messages that belong together: those between two checkpoints of one subtask, or a part of them if they are many.
 * They are kept in the checkpoint and published once it is complete.
 */
import { t } from '../../types/t.ts'
import type { Infer } from '../../types/type.ts'

export const JETSTREAM_TRANSACTION = t.object({
  /** `<job>/<uid>/<subtask>/<checkpoint before it>-<attempt>/<part>`; message n of it has the id `<id>/<n>`. */
  id: t.string,
  messages: t.list(
    t.object({ subject: t.string, data: t.bytes, headers: t.nullable(t.map(t.string, t.string)) }),
  ),
})

export type JetStreamTransaction = Infer<typeof JETSTREAM_TRANSACTION>

export const messageId = (transactionId: string, index: number): string => `${transactionId}/${index}`
