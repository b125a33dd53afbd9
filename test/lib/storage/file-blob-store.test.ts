import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { systemClock } from '../../../lib/base/clock.ts'
import { FileBlobStore } from '../../../lib/storage/file-blob-store.ts'
import { blobStoreContract, bytes } from '../../contracts/blob-store-contract.ts'
import { temporaryDirectory } from '../../support/nats-server.ts'

blobStoreContract(
  t,
  'file blob store',
  async (t) => {
    const uri = pathToFileURL(join(temporaryDirectory(t), 'not yet/there')).href
    return { open: async () => new FileBlobStore(uri, systemClock) }
  },
  { largeBytes: 2_500_000 },
)

const hidden = (directory: string) =>
  readdirSync(directory, { recursive: true }).filter((name) => /(^|\/)\./.test(`${name}`))

t.test('file blob store - blobs are plain files under their paths', async (t) => {
  const directory = temporaryDirectory(t)
  const store = new FileBlobStore(`${pathToFileURL(directory).href}/`, systemClock)
  await store.put('job/chk-1/meta.json', bytes('{}'))
  t.equal(readFileSync(join(directory, 'job/chk-1/meta.json'), 'utf8'), '{}')
  await store.delete('job/chk-1/meta.json')
  t.same(readdirSync(directory), [], 'folders that have become empty are gone')
})

t.test('file blob store - no hidden file stays, whoever was first and whatever failed', async (t) => {
  const directory = temporaryDirectory(t)
  const store = new FileBlobStore(pathToFileURL(directory).href, systemClock)
  await store.put('a', bytes('1'))
  await store.putIfAbsent('a', bytes('2'))
  await Promise.all(['3', '4', '5'].map((text) => store.putIfAbsent('b/c', bytes(text))))
  await t.rejects(store.put('b', bytes('a folder has this name')), {
    code: 'STORAGE_UNUSABLE',
    message: /directory has this name/,
  })
  await t.rejects(store.put('a/x', bytes('a blob has this name')), {
    code: 'STORAGE_UNUSABLE',
    message: /file is where/,
  })
  const controller = new AbortController()
  const putting = store.put('b/large', new Uint8Array(20_000_000), { signal: controller.signal })
  setImmediate(() => controller.abort(new Error('enough')))
  await t.rejects(putting, /enough/)
  t.same(hidden(directory), [])
})

t.test('file blob store - check removes what dead uploads left a day ago, and nothing else', async (t) => {
  const directory = temporaryDirectory(t)
  const store = new FileBlobStore(pathToFileURL(directory).href, systemClock)
  await store.put('job/blob', bytes('x'))
  const [old, fresh, foreign] = ['.sluice-abc.tmp', '.sluice-def.tmp', '.other.tmp']
  const daysAgo = new Date(Date.now() - 25 * 3_600_000)
  for (const name of [old, fresh, foreign]) writeFileSync(join(directory, 'job', name), 'x')
  for (const name of [old, foreign]) utimesSync(join(directory, 'job', name), daysAgo, daysAgo)
  t.same(
    (await store.list('')).map(({ path }) => path),
    ['job/blob'],
    'hidden files are not listed',
  )
  await store.check()
  t.same(readdirSync(join(directory, 'job')).sort(), [foreign, fresh, 'blob'].sort())
})

t.test('file blob store - says what is wrong and what to do', async (t) => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'file'), '')
  const inFile = new FileBlobStore(pathToFileURL(join(directory, 'file/deeper')).href, systemClock)
  await t.rejects(inFile.check(), {
    code: 'STORAGE_UNUSABLE',
    message: /file:\/\/\/.*cannot be used as storage: .*a file is where a directory is needed; remove it/,
  })
  const readOnly = join(directory, 'read-only')
  mkdirSync(readOnly)
  chmodSync(readOnly, 0o555)
  const isRoot = process.getuid?.() === 0
  if (isRoot) t.comment('root may write anywhere: the check of a directory without rights needs another user')
  else
    await t.rejects(
      new FileBlobStore(pathToFileURL(readOnly).href, systemClock).check(),
      /permission denied; give the user/,
    )
  for (const uri of ['file://host/dir', 'file:dir%2Fx', 'nonsense', 'http://x/y']) {
    t.throws(
      () => new FileBlobStore(uri, systemClock),
      { code: 'CONFIG_INVALID', message: /file:\/\/\/absolute/ },
      uri,
    )
  }
})

t.test('file blob store - the directory may be a symbolic link', async (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'real'))
  symlinkSync(join(directory, 'real'), join(directory, 'link'))
  const store = new FileBlobStore(pathToFileURL(join(directory, 'link')).href, systemClock)
  await store.put('a/b', bytes('x'))
  t.same(
    (await store.list('')).map(({ path }) => path),
    ['a/b'],
  )
  await store.delete('a/b')
  t.same(readdirSync(join(directory, 'real')), [])
})
