import t from 'tap'
import { assert, present, unreachable } from '../../../lib/base/assert.ts'
import { asError, fromErrorRecord, SluiceError, toErrorRecord } from '../../../lib/base/errors.ts'

t.test('errors - an error survives as plain data, with code, details, stack and causes', async (t) => {
  const cause = new SluiceError('DECODE_FAILED', 'bad bytes', { details: { offset: 3 } })
  const error = new SluiceError('JOB_FAILED', 'it failed', { cause })
  const record = JSON.parse(JSON.stringify(toErrorRecord(error)))
  const back = fromErrorRecord(record)
  t.match(back, { code: 'JOB_FAILED', message: 'it failed', stack: error.stack, exitCode: 1 })
  t.match(back.cause, { code: 'DECODE_FAILED', details: { offset: 3 } })
  t.notOk(back.retryable)
  t.ok(new SluiceError('TIMEOUT', 'late').retryable)
})

t.test('errors - whatever is thrown is an error', async (t) => {
  t.match(toErrorRecord('text'), { code: 'INTERNAL', message: 'text' })
  t.match(toErrorRecord(undefined), { message: 'undefined' })
  t.match(toErrorRecord(new TypeError('x is not y')), { message: 'TypeError: x is not y' })
  const same = new Error('same')
  t.equal(asError(same), same)
})

t.test('errors - causes that never end are cut, unknown codes are ours', async (t) => {
  const loop = new Error('loop')
  loop.cause = loop
  let depth = 0
  for (let record = toErrorRecord(loop).cause; record !== undefined; record = record.cause) depth++
  t.equal(depth, 8)
  t.equal(fromErrorRecord({ code: 'toString' as never, message: 'm' }).code, 'INTERNAL')
})

t.test('assert - states the fact that was expected', async (t) => {
  t.doesNotThrow(() => assert(true, 'never said'))
  t.throws(() => assert(false, 'one is two'), { name: 'AssertionFailure', message: 'expected: one is two' })
  t.throws(() => present(undefined, 'a slot'), { message: 'expected a slot to be present' })
  t.equal(present(0, 'zero'), 0)
  t.throws(() => unreachable('x' as never), { message: 'unreachable case: x' })
})

t.test('errors - a message and a stack as long as a document are cut in a record', async (t) => {
  const record = toErrorRecord(new Error('x'.repeat(100_000)))
  t.match(record.message, /^x{8192} \.\.\. \(91808 characters more\)$/)
  t.ok((record.stack?.length ?? 0) < 17_000)
})
