import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as core from '../src/core.js'
import * as library from '../src/index.js'
import { runs } from './support/amount.js'
import { generatePair, writePair } from './support/generate.js'
import { temporaryDirectory } from './support/paths.js'

/** Whatever is asked of it is one thing too many. */
const untouchable = new Proxy(
  {},
  {
    get(_target, key) {
      throw new Error(`the host was asked for ${String(key)}`)
    },
  },
)

/** Nothing on the host can be reached. */
const closed = {
  files: untouchable,
  reader: untouchable,
  writer: untouchable,
}

type Options = Record<string, unknown>
type Call = (options: never) => unknown

const noItems = (async function* () {})()
const source = { top: Buffer.of(), parts: [], warnings: [], survey: () => noItems, items: () => noItems } as never

/** Options of all operations on a file system. */
const fileSystem = ['force', 'relativeTo', 'chain', 'backing', 'backingRoot', 'partition', 'noReplay']

/** Each exported operation that takes options, what it cannot do without, and the names of its options by kind. */
const operations: Readonly<Record<string, { call: Call; needs?: Options; takes: readonly string[] }>> = {
  openImage: {
    call: (o) => library.openImage('x', o),
    takes: ['force', 'relativeTo', 'chain', 'backing', 'backingRoot'],
  },
  openCow: { call: (o) => library.openCow('x', o), takes: ['force', 'relativeTo', 'chain', 'backing', 'backingRoot'] },
  openFileSystem: { call: (o) => library.openFileSystem('x', o), takes: fileSystem },
  listFiles: {
    call: (o) => library.listFiles('x', o),
    takes: [
      ...[...fileSystem, 'paths', 'recursive', 'directoriesAsFiles', 'details', 'ownerNames', 'hidden', 'sort'],
      ...['reverse', 'types', 'pattern', 'newer', 'newerThan'],
    ],
  },
  readFiles: { call: (o) => library.readFiles('x', ['/y'], o).next(), takes: [...fileSystem, 'onEnd'] },
  statFiles: {
    call: (o) => library.statFiles('x', ['/y'], o).next(),
    takes: [...fileSystem, 'followLinks', 'ownerNames', 'onEnd', 'onLeftOut'],
  },
  fileSystemUsage: { call: (o) => library.fileSystemUsage('x', o), takes: fileSystem },
  info: {
    call: (o) => library.info('x', o),
    takes: ['partition', 'relativeTo', 'chain', 'backing', 'fast', 'noBacking'],
  },
  infoChain: { call: (o) => library.infoChain('x', o), takes: ['relativeTo', 'chain', 'fast', 'noBacking'] },
  diffFiles: { call: (o) => library.diffFiles('x', o), takes: [...fileSystem, 'old', 'atime'] },
  diffRanges: { call: (o) => library.diffRanges('x', o), takes: [...fileSystem, 'old', 'atime'] },
  map: {
    call: (o) => library.map('x', o),
    takes: [
      'force',
      'relativeTo',
      'chain',
      'startOffset',
      'maxLength',
      'detectZeroes',
      'noBacking',
      'owners',
      'partition',
      'noReplay',
    ],
  },
  writeBmap: {
    call: (o) => library.writeBmap('x', 'y', o),
    takes: ['force', 'overwrite', 'detectZeroes', 'relativeTo', 'chain', 'backing', 'backingRoot'],
  },
  check: {
    call: (o) => library.check('x', o),
    takes: ['force', 'repair', 'deep', 'noBacking', 'dryRun', 'relativeTo'],
  },
  createOverlay: {
    call: (o) => library.createOverlay('x', 'y', o),
    takes: ['force', 'overwrite', 'dryRun', 'noSync', 'chain', 'pathStyle'],
  },
  createQcow2: {
    call: (o) => library.createQcow2('x', o),
    takes: ['force', 'overwrite', 'dryRun', 'noSync', 'size', 'backing', 'backingFormat', 'clusterSize', 'pathStyle'],
  },
  createFrom: {
    call: (o) => library.createFrom('x', 'y', o),
    takes: ['force', 'overwrite', 'dryRun', 'noSync', 'size'],
  },
  compressStream: {
    call: async (o) => library.compressStream(noItems, o),
    needs: { format: 'lz4' },
    takes: ['format', 'threads', 'level', 'contentSize', 'reuseMemory'],
  },
  decompressStream: { call: (o) => library.decompressStream(noItems, o).next(), takes: ['format', 'reuseMemory'] },
  createRaw: { call: (o) => library.createRaw('x', 1, o), takes: ['force', 'overwrite', 'dryRun', 'noSync', 'fs'] },
  convert: {
    call: (o) => library.convert('x', 'y', o),
    takes: [
      ...['force', 'overwrite', 'dryRun', 'noSync', 'allowShort', 'chain', 'backing', 'backingRoot', 'relativeTo'],
      ...['inputFormat', 'format', 'outputBacking', 'outputBackingFormat', 'pathStyle', 'compress'],
      ...['clusterSize', 'zeroUnit', 'unit', 'bmap'],
    ],
  },
  compact: {
    call: (o) => library.compact('x', o),
    takes: [
      ...['force', 'overwrite', 'dryRun', 'noSync', 'allowShort', 'chain', 'backing', 'backingRoot', 'relativeTo'],
      ...['output', 'unit', 'compress'],
    ],
  },
  merge: {
    call: (o) => library.merge('x', 'y', o),
    takes: [
      'force',
      'overwrite',
      'sparse',
      'copier',
      'afterwards',
      'keepSiblings',
      'siblingsIn',
      'backup',
      'bufferSize',
      'verify',
      'allowShort',
      'dryRun',
      'noSync',
      'relativeTo',
    ],
  },
  mergeInPlace: {
    call: (o) => library.mergeInPlace('x', o),
    takes: [
      'force',
      'afterwards',
      'keepSiblings',
      'siblingsIn',
      'backup',
      'verify',
      'bufferSize',
      'allowShort',
      'noSync',
    ],
  },
  resumeMerge: { call: (o) => library.resumeMerge('x', o), takes: ['force', 'siblingsIn'] },
  abandonMerge: { call: (o) => library.abandonMerge('x', o), takes: ['force', 'siblingsIn'] },
  mergeStatus: { call: (o) => library.mergeStatus('x', o), takes: [] },
  rebaseUnsafe: { call: (o) => library.rebaseUnsafe('x', 'y', o), takes: ['force', 'pathStyle', 'dryRun'] },
  copySparse: {
    call: (o) => library.copySparse('x', 'y', o),
    takes: ['force', 'overwrite', 'sparse', 'reflink', 'preserve', 'keepPath', 'dryRun', 'noSync', 'bmap'],
  },
  copyFiles: {
    call: (o) => library.copyFiles(['x'], 'y', o),
    takes: ['force', 'overwrite', 'sparse', 'reflink', 'preserve', 'keepPath', 'dryRun', 'noSync'],
  },
  resetOverlay: { call: (o) => library.resetOverlay('x', o), takes: ['force', 'dryRun', 'noSync', 'backingRoot'] },
  pack: {
    call: (o) => library.pack('x', ['y'], o),
    takes: [
      ...['force', 'overwrite', 'dryRun', 'noSync', 'chain', 'backing', 'backingRoot', 'relativeTo', 'delta'],
      ...['compression', 'level', 'threads', 'sparse', 'bmap'],
    ],
  },
  listPack: { call: (o) => library.listPack('x', o), takes: ['maxSize'] },
  verifyPack: { call: (o) => library.verifyPack('x', o), takes: ['maxSize'] },
  unpack: {
    call: (o) => library.unpack('x', o),
    takes: [
      ...['force', 'overwrite', 'dryRun', 'noSync', 'backing', 'directory', 'maxSize', 'keepHeaders', 'relative'],
    ],
  },
  humfsify: {
    call: (o) => library.humfsify('x', o),
    needs: { user: 1, group: 1, size: 1 },
    takes: ['humfsForce', 'user', 'group', 'neededSize', 'perlCompat', 'dryRun', 'noSync', 'renameMetadata'],
  },
  restoreHumfs: { call: (o) => library.restoreHumfs('x', o), takes: ['humfsForce', 'dryRun', 'noSync'] },
  checkHumfs: { call: (o) => library.checkHumfs('x', o), takes: ['repair', 'dryRun', 'noSync'] },
  humfsInfo: { call: (o) => library.humfsInfo('x', o), takes: ['noSync'] },
  openHumfsSource: { call: async (o) => library.openHumfsSource('x', o), takes: ['noSync'] },
  openDirectorySource: { call: async (o) => library.openDirectorySource('x', o), takes: [] },
  openVirtfsSource: { call: async (o) => library.openVirtfsSource('x', o), takes: [] },
  readHumfsTree: { call: (o) => library.readHumfsTree('x', o).next(), takes: ['noSync'] },
  readDirectory: { call: (o) => library.readDirectory('x', o).next(), takes: [] },
  readVirtfsTree: { call: (o) => library.readVirtfsTree('x', o).next(), takes: [] },
  exportTree: {
    call: (o) => library.exportTree(source, 'x', o),
    needs: { format: 'tar' },
    takes: ['force', 'format', 'overwrite', 'noSockets', 'excludeFile', 'noSync', 'dryRun'],
  },
  exportToTree: {
    call: (o) => library.exportToTree(source, 'x', o),
    needs: { format: 'directory' },
    takes: ['format', 'noSync', 'dryRun'],
  },
  archiveFiles: {
    call: (o) => library.archiveFiles('x', 'y', o),
    needs: { format: 'tar' },
    takes: [...fileSystem, 'format', 'overwrite', 'noSockets', 'noSync', 'dryRun'],
  },
  extractFiles: { call: (o) => library.extractFiles('x', 'y', o), takes: [...fileSystem, 'noSync', 'dryRun'] },
  openImageSource: { call: (o) => library.openImageSource('x', o), takes: [...fileSystem] },
  importHumfs: {
    call: (o) => library.importHumfs('x', 'y', o),
    needs: { from: 'tar' },
    takes: ['from', 'tree', 'owner', 'group', 'size', 'renameMetadata', 'duplicates', 'dryRun', 'noSync'],
  },
  writeHumfsTree: {
    call: (o) => library.writeHumfsTree(noItems, 'x', o),
    takes: ['size', 'renameMetadata', 'duplicates', 'noSync'],
  },
  writeDirectory: {
    call: (o) => library.writeDirectory(noItems, 'x', o),
    takes: ['asRoot', 'fakerootSave', 'duplicates', 'noSync'],
  },
  writeVirtfsTree: { call: (o) => library.writeVirtfsTree(noItems, 'x', o), takes: ['duplicates', 'noSync'] },
}

/** The findings that an operation lets its caller override, as its verb of the command line. */
const knownWords: Readonly<Record<string, readonly string[]>> = {
  openImage: ['mtime', 'size'],
  openCow: ['mtime', 'size'],
  openFileSystem: ['mtime', 'size', 'damage'],
  listFiles: ['mtime', 'size', 'damage'],
  readFiles: ['mtime', 'size', 'damage'],
  statFiles: ['mtime', 'size', 'damage'],
  fileSystemUsage: ['mtime', 'size', 'damage'],
  diffFiles: ['mtime', 'size', 'damage'],
  diffRanges: ['mtime', 'size', 'damage'],
  archiveFiles: ['mtime', 'size', 'damage', 'in-use'],
  extractFiles: ['mtime', 'size', 'damage', 'in-use'],
  openImageSource: ['mtime', 'size', 'damage', 'in-use'],
  map: ['mtime', 'size', 'damage'],
  writeBmap: ['in-use', 'mtime', 'size', 'leaks'],
  check: ['in-use'],
  createOverlay: ['in-use'],
  createQcow2: ['in-use'],
  createRaw: ['in-use'],
  convert: ['in-use', 'mtime', 'size', 'leaks'],
  compact: ['in-use', 'mtime', 'size', 'leaks', 'siblings'],
  createFrom: ['in-use'],
  // The words of both kinds of merge; a word of the other kind is refused once the kind is known.
  merge: ['in-use', 'mtime', 'size', 'leaks', 'siblings', 'room'],
  mergeInPlace: ['in-use', 'mtime', 'siblings', 'room'],
  resumeMerge: ['in-use', 'siblings', 'journal'],
  abandonMerge: ['in-use', 'siblings', 'journal'],
  rebaseUnsafe: ['in-use', 'mtime', 'size'],
  copySparse: ['in-use'],
  copyFiles: ['in-use'],
  resetOverlay: ['in-use', 'siblings'],
  humfsify: ['exists', 'links'],
  restoreHumfs: ['damage'],
  exportTree: ['in-use'],
  pack: ['in-use', 'mtime', 'size'],
  unpack: ['in-use', 'room'],
}
const allWords = ['in-use', 'mtime', 'size', 'siblings', 'room', 'journal', 'leaks', 'exists', 'links', 'damage']

const isNoFlag: readonly unknown[] = ['yes', 1, null]
const isNoPath: readonly unknown[] = [1, true, null, {}, new URL('https://example.invalid/x')]
const flags = [
  ...['chain', 'fast', 'noBacking', 'detectZeroes', 'repair', 'deep', 'dryRun', 'overwrite', 'noSync', 'verify'],
  ...['allowShort', 'keepSiblings', 'perlCompat', 'noSockets', 'asRoot', 'preserve', 'keepPath', 'compress'],
  ...['delta', 'keepHeaders', 'relative', 'reuseMemory'],
  ...['noReplay', 'recursive', 'directoriesAsFiles', 'details', 'ownerNames', 'reverse', 'followLinks'],
  ...['owners', 'atime'],
]
const plainPaths = ['directory', 'backing', 'backingRoot', 'backup', 'excludeFile', 'tree', 'fakerootSave']

/** Values of each option: those of a wrong type, and those that are none of the right ones. */
const wrong: Readonly<Record<string, { types: readonly unknown[]; values: readonly unknown[] }>> = {
  ...Object.fromEntries(flags.map((name) => [name, { types: isNoFlag, values: [] }])),
  ...Object.fromEntries(plainPaths.map((name) => [name, { types: isNoPath, values: [] }])),
  force: { types: ['in-use', {}, [1]], values: [['bogus'], ['in-use', 'In-Use'], ['links']] },
  humfsForce: { types: ['exists', [1]], values: [['bogus'], ['in-use']] },
  relativeTo: { types: [1], values: ['nowhere', ''] },
  sparse: { types: [true], values: ['sometimes'] },
  reflink: { types: [1], values: ['sometimes'] },
  copier: { types: [0], values: ['dd', 'toString'] },
  afterwards: { types: [null], values: ['rest', 'constructor'] },
  pathStyle: { types: ['relative', { kind: 1 }, { kind: 'chroot' }], values: [{ kind: 'bogus' }] },
  bufferSize: { types: ['4096'], values: [0, 4097, -4096, Number.NaN, 2 ** 30] },
  inputFormat: { types: [1, null], values: ['vmdk', 'toString'] },
  outputBackingFormat: { types: [1, null], values: ['vmdk', 'toString'] },
  outputBacking: { types: isNoPath, values: [] },
  bmap: { types: isNoPath, values: [] },
  output: { types: [1, null], values: [] },
  old: { types: isNoPath, values: [] },
  clusterSize: { types: ['64K', null], values: [0, 256, 65_537, 2 ** 22, Number.NaN] },
  backingFormat: { types: [1, null], values: ['vmdk', 'toString'] },
  zeroUnit: { types: ['4K', null], values: [-1, 1, 4097, 2 ** 20] },
  unit: { types: ['4K', null], values: [0, 256, 4097, 2 ** 20] },
  startOffset: { types: ['0', 1n], values: [-1, 0.5, Number.NaN] },
  maxLength: { types: ['0'], values: [-1, 0.5, Number.POSITIVE_INFINITY] },
  size: { types: ['1G', null], values: [-1, 0.5, 2 ** 53] },
  neededSize: { types: ['1G', null], values: [0, -1, 0.5, 2 ** 53] },
  maxSize: { types: ['1G', null], values: [-1, 0.5, 2 ** 53] },
  compression: { types: [1, null], values: ['xz', 'toString'] },
  level: { types: ['1', null], values: [0, 0.5, 20] },
  threads: { types: ['1', null], values: [0, 0.5, 17] },
  siblingsIn: { types: ['dir', [1]], values: [] },
  fs: { types: [1, null], values: [] },
  contentSize: { types: ['1', null], values: [-1, 0.5] },
  renameMetadata: { types: [1, null], values: [] },
  duplicates: { types: [1, null], values: ['first', 'toString'] },
  user: { types: [null, {}], values: [-1, 0.5] },
  group: { types: [null, {}], values: [-1, 0.5] },
  owner: { types: [null, {}], values: [-1, 0.5] },
  format: { types: [1, null], values: ['zip', 'toString'] },
  from: { types: [1, null], values: ['zip', 'toString'] },
  partition: { types: ['1', null], values: [-1, 0.5, 10 ** 5] },
  paths: { types: ['/etc', [1]], values: [] },
  hidden: { types: [true], values: ['some'] },
  sort: { types: [null], values: ['inode', 'toString'] },
  types: { types: ['file', [1]], values: [['f'], ['file', 'toString']] },
  pattern: { types: [1, null], values: [] },
  newer: { types: ['2026', null], values: [Number.NaN, Number.POSITIVE_INFINITY] },
  newerThan: { types: [1, null], values: [] },
  onEnd: { types: ['x', {}], values: [] },
  onLeftOut: { types: ['x', {}], values: [] },
  signal: { types: [{ aborted: false }, true], values: [] },
  onProgress: { types: ['x', {}], values: [] },
}

const nameOf: Readonly<Record<string, string>> = { humfsForce: 'force', neededSize: 'size' }

describe.each(Object.entries(operations))('%s', (operation, { call, needs = {}, takes }) => {
  test.each([...takes, 'signal', 'onProgress'])(
    'refuses wrong values of %s before it touches anything',
    async (option) => {
      const name = nameOf[option] ?? option
      const run = async (value: unknown) => call({ ...closed, ...needs, [name]: value } as never)
      const { types, values } = wrong[option]!
      for (const value of types) await expect(run(value), `${String(value)}`).rejects.toThrow(TypeError)
      for (const value of values) {
        await expect(run(value), `${String(value)}`).rejects.toThrow(RangeError)
        await expect(run(value)).rejects.toThrow(name)
      }
    },
  )

  const name = takes.includes('humfsForce') ? 'humfsForce' : 'force'
  test.runIf(takes.includes(name))('refuses a force word that it would pass over', async () => {
    const known = knownWords[operation]!
    for (const word of allWords) {
      const run = async () => call({ ...closed, ...needs, force: [word] } as never)
      if (known.includes(word)) await expect(run()).rejects.not.toThrow(RangeError)
      else
        await expect(run()).rejects.toThrow(
          new RangeError(`force[0]: expected one of ${known.join(', ')}, got '${word}'`),
        )
    }
  })

  test('does not begin after its signal has fired', async () => {
    const signal = AbortSignal.abort('enough')
    await expect(async () => call({ ...closed, ...needs, signal } as never)).rejects.toMatchObject({
      name: 'AbortError',
      code: 'INTERRUPTED',
      cause: 'enough',
    })
  })

  test('refuses options that are none', async () => {
    for (const options of [null, 'force', 7, []])
      await expect(async () => call(options as never)).rejects.toThrow(TypeError)
  })
})

test('every exported operation that takes options stands above', () => {
  const ofCore = Object.keys(core).filter((name) => name !== 'serializeNewHeader')
  const others = [...ofCore, 'infoOfHeader', 'imageStream']
  const exported = Object.entries(library).filter(([, value]) => typeof value === 'function')
  const missing = exported.map(([name]) => name).filter((name) => !(name in operations) && !others.includes(name))
  expect(missing).toEqual(['serializeNewHeader'])
})

describe('paths', () => {
  function makePair() {
    const directory = temporaryDirectory()
    const pair = generatePair(9, { layout: 'v3', sectorSize: 512, virtualSize: 20 * 512, pattern: 'runs' })
    return { directory, pair, ...writePair(pair, directory, { headerPath: 'absolute' }) }
  }

  test('are URLs, too, as for the functions of Node', async () => {
    const { directory, pair, overlayPath, backingPath } = makePair()
    const url = (file: string) => pathToFileURL(file)
    const merged = path.join(directory, 'with space')
    const result = await library.merge(url(overlayPath), url(merged))
    expect(result).toMatchObject({ inPlace: false, target: merged })
    expect(readFileSync(merged).equals(pair.merged)).toBe(true)
    expect((await library.info(url(overlayPath))).path).toBe(overlayPath)
    expect((await library.check(url(overlayPath), { backing: url(backingPath) as never })).path).toBe(overlayPath)
    const image = await library.openImage(url(overlayPath))
    await image.close()
    const made = await library.createOverlay(url(path.join(directory, 'new')), url(backingPath))
    expect(made.backingPath?.toString()).toBe(backingPath)
    writeFileSync(path.join(directory, 'file'), 'x')
    for await (const { entry } of library.readDirectory(url(directory))) expect(entry.path).toBeInstanceOf(Buffer)
  })

  test.each([[undefined], [7], [null], [{}], [['x']], [new URL('https://example.invalid/x')]])(
    '%s is none',
    async (value) => {
      const none = value as never
      for (const run of [
        () => library.merge(none, 'x'),
        () => library.merge('x', none),
        () => library.mergeInPlace(none),
        () => library.openImage(none),
        () => library.createRaw(none, 1),
        () => library.humfsInfo(none),
      ]) {
        await expect(run()).rejects.toThrow(TypeError)
      }
    },
  )

  test('createRaw takes a size that is one', async () => {
    for (const size of [-1, 0.5, Number.NaN, 2 ** 53]) {
      await expect(library.createRaw('x', size, closed as never)).rejects.toThrow(RangeError)
    }
    await expect(library.createRaw('x', '1G' as never, closed as never)).rejects.toThrow(TypeError)
  })
})

describe('serializeNewHeader', () => {
  const number = fc.oneof(
    fc.integer({ min: -5, max: 2 ** 21 }),
    fc.constantFrom(
      512,
      1024,
      2 ** 20,
      2 ** 21,
      4096,
      2 ** 30,
      2 ** 30 + 1,
      2 ** 31,
      2 ** 32 - 1,
      2 ** 32,
      2 ** 32 + 512,
    ),
    fc.constantFrom(2 ** 53 - 1, 2 ** 53, 2 ** 53 + 512, 1e300, Number.NaN, Number.POSITIVE_INFINITY, 512.5, -512),
  )
  const header = fc.record({
    mtime: number,
    virtualSize: fc.oneof(number, fc.maxSafeNat()),
    sectorSize: fc.oneof(number, fc.constantFrom(512, 4096)),
    alignment: fc.oneof(number, fc.constantFrom(1, 4096)),
    backingPath: fc.uint8Array({ maxLength: 20 }),
  })

  test('writes what parseCowHeader gives back, or throws', () => {
    let written = 0
    const property = fc.property(header, (fields) => {
      let bytes: Uint8Array
      try {
        bytes = library.serializeNewHeader(fields)
      } catch (error) {
        expect(error).toBeInstanceOf(library.UmlcowError)
        return
      }
      written++
      const { mtime, virtualSize, sectorSize, alignment, backingPath } = library.parseCowHeader(bytes)
      expect({ mtime, virtualSize, sectorSize, alignment, backingPath }).toEqual(fields)
    })
    fc.assert(property, { numRuns: runs(2000) })
    expect(written).toBeGreaterThan(20)
  })

  test.each([
    ['BAD_SECTOR_SIZE', { sectorSize: 100 }],
    ['BAD_SECTOR_SIZE', { sectorSize: 2 ** 32 + 512 }],
    ['BAD_ALIGNMENT', { alignment: 0 }],
    ['BAD_ALIGNMENT', { alignment: 2 ** 31 }],
    ['BAD_VIRTUAL_SIZE', { virtualSize: -1 }],
    ['BAD_VIRTUAL_SIZE', { virtualSize: 2 ** 53 - 1 }],
    ['BAD_MTIME', { mtime: 2 ** 32 }],
    ['BAD_BACKING_PATH', { backingPath: Buffer.of() }],
  ])('throws %s for %j', (code, change) => {
    const fields = { mtime: 1, virtualSize: 512, sectorSize: 512, alignment: 4096, backingPath: Buffer.from('x') }
    expect(() => library.serializeNewHeader({ ...fields, ...change })).toThrow(expect.objectContaining({ code }))
  })

  test('takes a path of bytes only', () => {
    const fields = { mtime: 1, virtualSize: 512, sectorSize: 512, alignment: 4096, backingPath: 'x' as never }
    expect(() => library.serializeNewHeader(fields)).toThrow(TypeError)
  })

  test('names a wrong field with its article', () => {
    const fields = { mtime: 1, virtualSize: 512, sectorSize: 512, alignment: 0.5, backingPath: Buffer.from('x') }
    expect(() => library.serializeNewHeader(fields)).toThrow('expected an alignment that is a whole number')
  })
})

test.each([
  ['writeHumfsTree', () => library.writeHumfsTree('x' as never, 'y'), 'items'],
  ['writeDirectory', () => library.writeDirectory(undefined as never, 'y'), 'items'],
  ['writeVirtfsTree', () => library.writeVirtfsTree([] as never, 'y'), 'items'],
  ['openBlobStore', async () => library.openBlobStore('x' as never), 'blob'],
  ['exportTree', () => library.exportTree('x' as never, 'y', { format: 'tar' }), 'source'],
])('%s names the argument that is wrong, and does nothing', async (_name, run, argument) => {
  await expect(run()).rejects.toThrow(TypeError)
  await expect(run()).rejects.toThrow(new RegExp(`^${argument}: expected `))
})

test.each([
  ['parseCowHeader', () => library.parseCowHeader('x' as never)],
  ['infoOfHeader', () => library.infoOfHeader('x' as never, 'x')],
  ['openMemoryStore', () => library.openMemoryStore('x' as never)],
])('%s takes bytes, no text', (_name, run) => {
  expect(run).toThrow(TypeError)
})

describe('a signal that fires', () => {
  test.each([
    ['of abort() with a reason', AbortSignal.abort('enough'), 'enough'],
    ['of abort() alone', AbortSignal.abort(), expect.objectContaining({ name: 'AbortError' })],
    [
      'of a time-out',
      AbortSignal.abort(new DOMException('late', 'TimeoutError')),
      expect.objectContaining({ name: 'TimeoutError' }),
    ],
  ])('%s: an AbortError with its reason as the cause, as of Node, and our code', async (_name, signal, cause) => {
    const { overlayPath, backingPath } = writePair(generatePair(1, { layout: 'v3' }), temporaryDirectory())
    const stopped = { name: 'AbortError', code: 'INTERRUPTED', cause }
    await expect(library.info(overlayPath, { signal })).rejects.toMatchObject(stopped)
    await expect(library.merge(overlayPath, `${backingPath}-new`, { signal })).rejects.toMatchObject(stopped)
    await expect(library.mergeInPlace(overlayPath, { signal, backing: backingPath })).rejects.toMatchObject(stopped)
    await expect(library.info(overlayPath, { signal })).rejects.toBeInstanceOf(library.UmlcowError)
  })

  test('keeps its reason in an error that tells more', () => {
    const inner = new library.UmlcowError('INTERRUPTED', 'stopped', { cause: 'enough' })
    const outer = new library.UmlcowError('INTERRUPTED', 'stopped in the middle', { cause: inner })
    expect(outer).toMatchObject({ name: 'AbortError', cause: 'enough' })
    expect(new library.UmlcowError('IN_USE', 'x', { cause: inner })).toMatchObject({
      name: 'UmlcowError',
      cause: inner,
    })
  })
})
