import t from 'tap'
import { SluiceError } from '../../../lib/base/errors.ts'
import {
  createLogger,
  formatJson,
  formatText,
  type LogEntry,
  silentLogger,
} from '../../../lib/base/logger.ts'
import { ManualClock } from '../../../lib/testing/manual-clock.ts'

function logged(level: 'debug' | 'warn' | 'silent') {
  const entries: LogEntry[] = []
  const log = createLogger(new ManualClock(Date.UTC(2024, 0, 1, 12, 0, 1, 250)), level, (entry) =>
    entries.push(entry),
  )
  return { entries, log }
}

t.test('logger - writes what is at or above its level, children add their fields', async (t) => {
  const { entries, log } = logged('warn')
  log.debug('no')
  log.info('no')
  log.child({ job: 'j', subtask: 1 }).warn('slow', { subtask: 2, ms: 5 })
  log.error('down')
  t.same(
    entries.map(({ level, event, fields }) => [level, event, fields]),
    [
      ['warn', 'slow', { job: 'j', subtask: 2, ms: 5 }],
      ['error', 'down', {}],
    ],
  )
  const silent = logged('silent')
  silent.log.error('no')
  t.same(silent.entries, [])
  t.doesNotThrow(() => silentLogger.child({}).error('no'))
})

t.test('logger - one line for people, one for machines', async (t) => {
  const { entries, log } = logged('debug')
  log.warn('node lost', { node: 'n1', ms: 5, big: 5n, list: [1] })
  t.equal(formatText(entries[0]!), '12:00:01.250 WARN  node lost  node=n1  ms=5  big=5  list=[1]')
  t.same(JSON.parse(formatJson(entries[0]!)), {
    time: '2024-01-01T12:00:01.250Z',
    level: 'warn',
    event: 'node lost',
    node: 'n1',
    ms: 5,
    big: '5',
    list: [1],
  })
})

t.test('logger - secrets are not written, errors are written whole', async (t) => {
  const { entries, log } = logged('debug')
  const error = new SluiceError('TIMEOUT', 'late', { cause: new Error('why') })
  log.error('x', { natsPassword: 'hunter2', authToken: 't', seed: 's', creds: 'c', error })
  const json = formatJson(entries[0]!)
  t.notMatch(json + formatText(entries[0]!), /hunter2|"t"|"s"|"c"/)
  t.match(JSON.parse(json).error, { code: 'TIMEOUT', message: 'late', cause: { message: 'why' } })
})
