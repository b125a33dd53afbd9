/** Errors as people and programs get them. */
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { errorObject, exitCodeOf, explainError } from '../../bin/explain-error.ts'
import { userFrames } from '../../bin/user-stack.ts'
import { SluiceError } from '../../lib/base/errors.ts'

const root = resolve(import.meta.dirname, '../..')
const plain = { isVerbose: false, hasColor: false }

function thrown(...frames: string[]): Error {
  const error = new Error('boom')
  error.stack = ['Error: boom', ...frames.map((frame) => `    at ${frame}`)].join('\n')
  return error
}

t.test(
  'user stack - has the frames in the user\u2019s files, of the innermost error that has any',
  async (t) => {
    const inner = thrown(
      'parse (/home/ann/job.ts:12:9)',
      'file:///home/ann/job.ts:20:3',
      'spaced (file:///home/ann/my%20jobs/job.ts:7:1)',
      `run (${pathToFileURL(join(root, 'lib/with spaces/run.ts'))}:1:1)`,
      'async load (C:\\jobs\\job.ts:1:2)',
      'd_1 (eval at run (file:///x/chain-code.ts:1:1), <anonymous>:10:61)',
      `StreamTask.step (${join(root, 'lib/task/stream-task.ts')}:152:19)`,
      `main (file://${join(root, 'bin/sluice.ts')}:1:1)`,
      `job (${join(root, 'examples/count.ts')}:3:1)`,
      'push (/home/ann/node_modules/lodash/push.js:1:1)',
      'node:internal/process/task_queues:95:5',
      'Array.map (<anonymous>)',
    )
    const expected = [
      'at parse (/home/ann/job.ts:12:9)',
      'at /home/ann/job.ts:20:3',
      'at spaced (/home/ann/my jobs/job.ts:7:1)',
      'at async load (C:\\jobs\\job.ts:1:2)',
      `at job (${join(root, 'examples/count.ts')}:3:1)`,
    ]
    t.same(userFrames(inner), expected)
    const outer = new SluiceError('USER_FUNCTION_FAILED', 'operator "x": boom', { cause: inner })
    outer.stack = 'SluiceError: x\n    at main (/home/ann/main.ts:1:1)'
    t.same(userFrames(outer), expected)
    const frameless = new SluiceError('USER_FUNCTION_FAILED', 'x', { cause: thrown() })
    frameless.stack = 'SluiceError: x\n    at main (/home/ann/main.ts:1:1)'
    t.same(userFrames(frameless), ['at main (/home/ann/main.ts:1:1)'])
    t.same(userFrames('text'), [])
  },
)

t.test('user stack - a cycle of causes ends', async (t) => {
  const error = thrown('parse (/home/ann/job.ts:12:9)')
  error.cause = error
  t.equal(userFrames(error).length, 1)
})

t.test('explain - what happened, where, what to do', async (t) => {
  const error = new SluiceError('JOB_NOT_FOUND', 'there is no job "x".')
  error.stack = ''
  t.equal(
    explainError(error, plain),
    'error: there is no job "x".\nhint: `sluice jobs` lists the jobs the cluster knows',
  )
  const login = new SluiceError('CANNOT_CONNECT', 'cannot connect to NATS at n: Authorization Violation')
  t.match(explainError(login, plain), /hint: check nats\.user and nats\.password/)
  const failed = new SluiceError('USER_FUNCTION_FAILED', 'operator "map": boom', {
    cause: thrown('f (/home/ann/job.ts:1:2)'),
  })
  t.equal(explainError(failed, plain), 'error: operator "map": boom\n    at f (/home/ann/job.ts:1:2)')
  t.match(explainError(failed, { ...plain, isVerbose: true }), /\[cause\]: Error: boom/)
  t.match(
    explainError(new TypeError('x is not a function'), plain),
    /^error: TypeError: x is not a function\n.*bug in Sluice/s,
  )
  t.match(explainError(error, { ...plain, hasColor: true }), '\u001b[31merror:\u001b[0m')
})

t.test('explain - as an object for programs', async (t) => {
  const error = new SluiceError('JOB_NOT_FOUND', 'no', { details: { job: 'x' } })
  error.stack = ''
  t.strictSame(errorObject(error, plain), {
    error: {
      code: 'JOB_NOT_FOUND',
      message: 'no',
      exitCode: 3,
      details: { job: 'x' },
      hint: '`sluice jobs` lists the jobs the cluster knows',
    },
  })
  const failed = new SluiceError('USER_FUNCTION_FAILED', 'no', { cause: thrown('f (/home/ann/job.ts:1:2)') })
  t.match(errorObject(failed, plain), { error: { frames: ['at f (/home/ann/job.ts:1:2)'], exitCode: 1 } })
  t.equal(exitCodeOf('text'), 1)
})
