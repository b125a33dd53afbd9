/** Makes what a checkpoint has of the channels into a subtask ready to be processed. */
import { SluiceError } from '../base/errors.ts'
import type { AssignedChannel } from '../checkpoint/assign-channels.ts'
import type { AssignedInputs } from '../checkpoint/checkpoint-reader.ts'
import type { Partitioner } from '../network/partitioner.ts'
import { RestoredFrames } from '../network/restored-frames.ts'
import { keyGroupOf, subtaskOfKeyGroup } from '../state/key-group.ts'
import { resolveValues } from '../types/compatibility.ts'
import { schemaToType } from '../types/schema-type.ts'
import type { Type } from '../types/type.ts'
import type { RestoredInputs } from './input-processor.ts'

/** One input channel of the subtask, as it is now. */
export interface RestoredChannelPlace {
  readonly type: Type<unknown>
  readonly partitioner: Partitioner
  /** For people. */
  readonly edge: string
}

export interface SubtaskPlace {
  readonly index: number
  readonly parallelism: number
  readonly maxParallelism: number
}

/** Throws STATE_INCOMPATIBLE where records were written with a type that cannot be read as that of today. */
export function restoredInputs(
  { watermark, channels }: AssignedInputs,
  places: readonly RestoredChannelPlace[],
  subtask: SubtaskPlace,
): RestoredInputs {
  return {
    watermark,
    channels: channels.map((channel, i) => ({
      watermark: channel.watermark,
      frames: restoredFrames(channel, places[i]!, subtask),
    })),
  }
}

function restoredFrames(
  { frames, schema, isToBeSifted, hasWatermarks, watermarkAfter }: AssignedChannel,
  { type, partitioner, edge }: RestoredChannelPlace,
  subtask: SubtaskPlace,
): RestoredFrames | null {
  if (schema === null || (frames.length === 0 && watermarkAfter === Number.NEGATIVE_INFINITY)) return null
  const written = schemaToType(schema)
  const resolution = resolveValues(written.schema, type.schema)
  if (resolution.kind === 'incompatible') {
    const mismatches = resolution.mismatches.map(
      ({ path, written, current, reason }) => `${path}: was ${written}, is ${current} (${reason})`,
    )
    throw new SluiceError(
      'STATE_INCOMPATIBLE',
      `data in flight on the way ${edge} was saved with another type: ${mismatches.join('; ')}`,
    )
  }
  const convert = resolution.kind === 'migrate' ? resolution.convert : null
  const decoder = (convert === null ? type : written).newBatchDecoder()
  const isOurs = isToBeSifted ? ownership(partitioner, subtask) : null
  return new RestoredFrames({
    frames,
    decoder,
    convert,
    isOurs,
    hasWatermarks,
    watermark: watermarkAfter,
  })
}

/** Which of the records that were read are for the subtask. */
function ownership(
  partitioner: Partitioner,
  { index, parallelism, maxParallelism }: SubtaskPlace,
): ((value: unknown) => boolean) | null {
  switch (partitioner.kind) {
    case 'hash': {
      const keyOf = partitioner.keyOf
      return (value) => {
        const group = keyGroupOf(keyOf(value as never), maxParallelism)
        return subtaskOfKeyGroup(maxParallelism, parallelism, group) === index
      }
    }
    case 'custom': {
      const { subtaskOf } = partitioner
      return (value) => subtaskOf(value as never, parallelism) === index
    }
    default:
      return null
  }
}
