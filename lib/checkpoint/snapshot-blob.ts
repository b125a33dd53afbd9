/**
 * What is in the blobs of a subtask's snapshot: chunks of keyed state as they came, and in the last blob all the rest.
 *
 *     blob: frame...      frame: header length u32, body length u32, header (msgpack), body; little endian
 *
 * The header of a chunk says which operator and table it belongs to, its body are the rows. The rest is a frame whose
 * header is the snapshot without its chunks. Rows are copied once on the way out, into memory that is used again, and
 * never on the way in, where they are windows of the blob.
 */
import { Packr } from 'msgpackr'
import type { ByteWriter } from '../base/byte-writer.ts'
import { SluiceError } from '../base/errors.ts'
import type { StateChunk } from '../state/state-chunk.ts'
import type { OperatorSnapshot, SubtaskSnapshot } from './subtask-snapshot.ts'

/** What a blob says. */
export interface SnapshotPart {
  readonly chunks: readonly OperatorChunk[]
  /** Null unless the blob is the last of its snapshot; operators have no keyed state in it. */
  readonly rest: SubtaskSnapshot | null
}

export interface OperatorChunk {
  readonly operatorId: string
  readonly chunk: StateChunk
}

interface ChunkHeader extends Omit<StateChunk, 'rows'> {
  readonly operatorId: string
}

const LENGTHS_BYTES = 8
const NO_BYTES = new Uint8Array()

const packr = new Packr({ useRecords: false, moreTypes: false })

export function writeChunk(out: ByteWriter, operatorId: string, { rows, ...rest }: StateChunk): void {
  writeFrame(out, { operatorId, ...rest } satisfies ChunkHeader, rows)
}

/** `snapshot`: without keyed state. */
export function writeRest(out: ByteWriter, snapshot: SubtaskSnapshot): void {
  writeFrame(out, snapshot, NO_BYTES)
}

function writeFrame(out: ByteWriter, value: unknown, body: Uint8Array): void {
  const header = packr.pack(value)
  out.u32(header.length)
  out.u32(body.length)
  out.raw(header)
  out.raw(body)
}

/** Throws CHECKPOINT_DAMAGED. */
export function decodePart(blob: Uint8Array, path: string): SnapshotPart {
  const chunks: OperatorChunk[] = []
  let rest: SubtaskSnapshot | null = null
  const view = new DataView(blob.buffer, blob.byteOffset, blob.length)
  let offset = 0
  while (offset < blob.length) {
    if (offset + LENGTHS_BYTES > blob.length) throw notOurs(path)
    const headerEnd = offset + LENGTHS_BYTES + view.getUint32(offset, true)
    const end = headerEnd + view.getUint32(offset + 4, true)
    if (end > blob.length) throw notOurs(path)
    const header = unpack(blob.subarray(offset + LENGTHS_BYTES, headerEnd), path)
    if (isChunkHeader(header)) {
      const { operatorId, ...chunk } = header
      chunks.push({ operatorId, chunk: { ...chunk, rows: blob.subarray(headerEnd, end) } })
    } else if (isRest(header)) rest = header
    else throw notOurs(path)
    offset = end
  }
  return { chunks, rest }
}

/** The state of a subtask: what is not keyed as the last snapshot has it, keyed state with all that led to it. */
export function mergeParts(parts: readonly SnapshotPart[], path: string): SubtaskSnapshot {
  const rest = parts.at(-1)?.rest
  if (rest === undefined || rest === null) throw notOurs(path)
  const chunks = parts.flatMap((part) => part.chunks)
  const operators = rest.operators.map((operator): OperatorSnapshot => {
    const own = chunks.filter(({ operatorId }) => operatorId === operator.id)
    return { ...operator, keyed: own.map(({ chunk }) => chunk) }
  })
  return { ...rest, operators }
}

function isChunkHeader(value: unknown): value is ChunkHeader {
  return typeof value === 'object' && value !== null && 'operatorId' in value && 'table' in value
}

function isRest(value: unknown): value is SubtaskSnapshot {
  return typeof value === 'object' && value !== null && 'operators' in value && 'inputs' in value
}

function unpack(bytes: Uint8Array, path: string): unknown {
  try {
    return packr.unpack(bytes)
  } catch (cause) {
    throw new SluiceError('CHECKPOINT_DAMAGED', `${path} cannot be read`, { cause, details: { path } })
  }
}

function notOurs(path: string): SluiceError {
  return new SluiceError('CHECKPOINT_DAMAGED', `${path} is not part of a checkpoint`, { details: { path } })
}
