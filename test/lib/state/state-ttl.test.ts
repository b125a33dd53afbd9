import t from 'tap'
import { OperatorStateBackend } from '../../../lib/state/operator-state.ts'
import {
  listState,
  mapState,
  type StateDescriptor,
  type StateOptions,
  valueState,
} from '../../../lib/state/state-descriptor.ts'
import { isStampedSchema, stampedType, unexpired } from '../../../lib/state/state-ttl.ts'
import { t as types } from '../../../lib/types/t.ts'
import { load, newBackend, save } from './backends.ts'

const clock = { now: () => 1000 }

t.test('state ttl - is a duration or says more', async (t) => {
  const ttlOf = (ttl: NonNullable<StateOptions['ttl']>) => valueState('v', types.int64, { ttl }).ttl
  t.same(ttlOf('1h'), { afterMs: 3_600_000, refreshesOnRead: false, returnsExpired: false })
  t.same(ttlOf(5), { afterMs: 5, refreshesOnRead: false, returnsExpired: false })
  t.same(ttlOf({ after: '1s', refresh: 'read-and-write', visibility: 'until-cleaned-up' }), {
    afterMs: 1000,
    refreshesOnRead: true,
    returnsExpired: true,
  })
  t.same(ttlOf({ after: '1s', refresh: 'create-and-write', visibility: 'never-expired' }), {
    afterMs: 1000,
    refreshesOnRead: false,
    returnsExpired: false,
  })
  t.equal(valueState('v', types.int64).ttl, undefined)
})

t.test('state ttl - what cannot be one is refused, naming the state', async (t) => {
  const refused: readonly [unknown, string, RegExp][] = [
    [0, 'GRAPH_INVALID', /"v".*at least 1 ms, found 0/],
    ['-1h', 'GRAPH_INVALID', /"v".*at least 1 ms, found "-1h"/],
    ['soon', 'CONFIG_INVALID', /duration/],
    [{ after: '1s', refresh: 'never' }, 'GRAPH_INVALID', /"v".*refresh.*'read-and-write', found "never"/],
    [{ after: '1s', visibility: 'all' }, 'GRAPH_INVALID', /"v".*visibility.*'until-cleaned-up', found "all"/],
  ]
  for (const [ttl, code, message] of refused) {
    t.throws(() => valueState('v', types.int64, { ttl: ttl as string }), { code, message })
  }
})

t.test('state ttl - one name has one time-to-live', async (t) => {
  const backend = newBackend()
  backend.useClock(clock)
  backend.state(valueState('v', types.int64, { ttl: '1s' }))
  t.equal(
    backend.state(valueState('v', types.int64, { ttl: 1000 })),
    backend.state(valueState('v', types.int64, { ttl: '1s' })),
  )
  for (const options of [{ ttl: '2s' }, {}]) {
    t.throws(() => backend.state(valueState('v', types.int64, options)), {
      code: 'GRAPH_INVALID',
      message: /"v" is declared with the time-to-live .*1000.* and again with/,
    })
  }
})

t.test('state ttl - windows and broadcast state have none', async (t) => {
  const map = mapState<string, number>('m', types.int64, { ttl: '1s' })
  t.throws(() => newBackend().windowState(map, { sub: 'w' }), { code: 'UNSUPPORTED', message: /"m".*window/ })
  t.throws(() => new OperatorStateBackend().broadcastState(map), { code: 'UNSUPPORTED', message: /"m"/ })
})

t.test('state ttl - the stored type is told apart from every type of a user', async (t) => {
  for (const type of [types.any, types.int64, types.object({ value: types.any, at: types.timestamp })]) {
    t.notOk(isStampedSchema(type.schema))
    for (const isList of [false, true]) t.ok(isStampedSchema(stampedType(type, isList).schema))
  }
})

t.test('state ttl - unexpired keeps what it need not change', async (t) => {
  const list = { value: ['a', 'b', 'c'], 'ttl/lastAccess': [5, 3, 7] as number[] } as const
  t.equal(unexpired(list as never, 2), list)
  t.same(unexpired(list as never, 3), { value: ['a', 'c'], 'ttl/lastAccess': [5, 7] })
  t.equal(unexpired(list as never, 7), undefined)
  t.same(list.value, ['a', 'b', 'c'], 'a snapshot may still want to see it')
})

/** Saves one value and restores it as another state of the same name. */
function restoreAs(saved: StateDescriptor<unknown>, declared: StateDescriptor<unknown>) {
  const backend = newBackend()
  backend.useClock(clock)
  backend.context.set('k', -1)
  const state = backend.state(saved) as { update(value: unknown): void }
  state.update(saved.kind === 'list' ? [{ name: 'Ada' }] : { name: 'Ada' })
  return load(save(backend), (each) => {
    each.useClock(clock)
    each.state(declared)
  })
}

t.test('state ttl - to give or to take one is refused, to change it is not', async (t) => {
  const user = types.object({ name: types.string })
  // Every field may be missing: a stored value with a stamp could pass for one of these.
  const loose = types.object({ name: types.optional(types.string) })
  const ttl = { ttl: '1h' }
  for (const type of [types.any, user, loose]) {
    for (const describe of [valueState, listState] as const) {
      const [plain, expiring] = [describe('s', type as never), describe('s', type as never, ttl)]
      t.throws(() => restoreAs(plain, expiring), {
        code: 'STATE_INCOMPATIBLE',
        message: /"s" was saved without a time-to-live and is declared with one: .*another name/,
      })
      t.throws(() => restoreAs(expiring, plain), {
        code: 'STATE_INCOMPATIBLE',
        message: /"s" was saved with a time-to-live and is declared without one: .*another name/,
      })
      t.equal(restoreAs(expiring, describe('s', type as never, { ttl: '2h' })).size, 1)
      t.equal(restoreAs(plain, plain).size, 1)
    }
  }
  const shorter = restoreAs(valueState('s', user, { ttl: '2h' }), valueState('s', loose, ttl))
  shorter.context.set('k', -1)
  t.same(shorter.state(valueState('s', loose, ttl)).value(), { name: 'Ada' }, 'the type may change as ever')
})

t.test('state ttl - a list with more or fewer times than elements is damaged', async (t) => {
  const backend = newBackend()
  backend.useClock(clock)
  backend.context.set('k', -1)
  const descriptor = listState('l', types.int64, { ttl: '1h' })
  backend.state(descriptor).add(1)
  const [registered] = backend.tables()
  for (const entry of registered!.table.entries()) (entry.value as { value: number[] }).value.push(2)
  const declare = (each: typeof backend) => {
    each.useClock(clock)
    each.state(descriptor)
  }
  t.throws(() => load(save(backend), declare), { code: 'DECODE_FAILED', message: /2 elements .* 1 times/ })
})
