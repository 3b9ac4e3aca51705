import { closeSync, copyFileSync, existsSync, openSync, readFileSync, statSync, truncateSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { umlcow } from '../support/command.js'
import { root, temporaryDirectory } from '../support/paths.js'
import { expectPlainFailure, makeScene, namesIn, runWith, shell } from './scene.js'

const verbs = [
  'info',
  'map',
  'check',
  'create',
  'merge',
  'commit',
  'reset',
  'rebase',
  'humfsify',
  'humfs',
  'moo',
  'mkcow',
]

describe('help and version', () => {
  it('prints help that names every verb and every exit status', () => {
    const { status, stdout, stderr } = umlcow(['--help'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    for (const verb of verbs) expect(stdout).toContain(`\n  ${verb} `)
    for (const code of [0, 1, 2, 3, 4, 63, 64, 129, 130, 143]) expect(stdout).toMatch(new RegExp(`^ +${code} `, 'm'))
    expect(umlcow(['-h']).stdout).toBe(stdout)
  })

  it.each(verbs)('prints help for %s', (verb) => {
    const { status, stdout, stderr } = umlcow([verb, '--help'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain(`Usage: umlcow ${verb} `)
    expect(stdout).toContain('--help')
  })

  it('prints the same help for "help VERB"', () => {
    expect(umlcow(['help', 'merge'])).toMatchObject({ status: 0, stdout: umlcow(['merge', '--help']).stdout })
  })

  it.each(['--version', '-V'])('%s prints the version of package.json', (option) => {
    const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
    expect(umlcow([option])).toEqual({ status: 0, signal: null, stdout: `${version}\n`, stderr: '' })
  })

  it('without arguments prints help on standard error', () => {
    const { status, stdout, stderr } = umlcow([])
    expect({ status, stdout }).toEqual({ status: 64, stdout: '' })
    expect(stderr).toBe(umlcow(['--help']).stdout.slice(0, stderr.length))
    expect(stderr).toContain('\n  merge ')
  })
})

/** A file that can be mapped. */
const mappable = path.join(root, 'fixtures/invalid/NOT_COW--text.cow')

describe('wrong usage is status 64, and nothing on standard output', () => {
  it.each<[why: string, args: string[], says: RegExp]>([
    ['unknown verb', ['frobnicate'], /unknown command 'frobnicate'/],
    ['a verb misspelt', ['merg', 'a', 'b'], /unknown command 'merg' \(Did you mean merge\?\)/],
    ['a verb misspelt', ['inof', 'a'], /\(Did you mean info\?\)/],
    ['unknown option before the verb', ['--frobnicate'], /unknown option '--frobnicate'/],
    ['an option misspelt', ['info', '--jsn', 'a'], /unknown option '--jsn' \(Did you mean --json\?\)/],
    ['an option misspelt', ['merge', '--overwrit', 'a', 'b'], /\(Did you mean --overwrite\?\)/],
    ['an option of another verb', ['info', '--overwrite', 'a'], /unknown option '--overwrite'/],
    ['info: no file', ['info'], /missing required argument 'file'/],
    ['map: no file', ['map'], /missing required argument 'file'/],
    ['map: two files', ['map', 'a', 'b'], /too many arguments/],
    ['check: no file', ['check'], /missing required argument 'file'/],
    ['create: no file', ['create'], /missing required argument 'file'/],
    ['create: neither size nor backing file', ['create', 'a'], /-b BACKING .*SIZE/],
    ['create: size and backing file', ['create', 'a', '1M', '-b', 'b'], /give -b or SIZE/],
    ['create: a file system in an overlay', ['create', 'a', '-b', 'b', '--fs', 'ext4'], /--fs is for raw images/],
    ['create: no name of a file system', ['create', 'a', '1M', '--fs', '../x'], /is not the name of a file system/],
    ['create: relative and chroot', ['create', 'a', '-b', 'b', '--relative', '--chroot', '.'], /cannot be used with/],
    ['create: --force with a word of others', ['create', 'a', '1M', '--force=mtime'], /"mtime" is none of in-use/],
    ['merge: no overlay', ['merge'], /missing required argument 'cow'/],
    ['merge: no target', ['merge', 'a'], /needs a target/],
    ['merge: three files', ['merge', 'a', 'b', 'c'], /too many arguments/],
    [
      'merge: --sparse with another word',
      ['merge', '--sparse=maybe', 'a', 'b'],
      /Allowed choices are auto, always, never/,
    ],
    ['merge: --force without a word', ['merge', 'a', 'b', '--force'], /argument missing/],
    ['merge: --force with a blanket word', ['merge', '--force=all', 'a', 'b'], /"all" is none of in-use, mtime, size/],
    ['merge: one bad word of two', ['merge', '--force=mtime,bogus', 'a', 'b'], /"bogus" is none of/],
    [
      'merge: --progress with another word',
      ['merge', '--progress=fancy', 'a', 'b'],
      /--progress takes bar, json, none/,
    ],
    ['merge: --progress on no descriptor', ['merge', '--progress=77', 'a', 'b'], /descriptor 77 is not open/],
    ['merge: --progress on a negative descriptor', ['merge', '--progress=-1', 'a', 'b'], /--progress takes/],
    ['merge: --keep-siblings and a new file', ['merge', '--keep-siblings', 'a', 'b'], /--keep-siblings is .* add -d/],
    ['merge: --siblings-in and a new file', ['merge', '--siblings-in', '.', 'a', 'b'], /--siblings-in is .* add -d/],
    ['merge: --backup and a new file', ['merge', '--backup', 'u', 'a', 'b'], /--backup is for merging in place/],
    ['merge: --verify and standard output', ['merge', '--verify', 'a', '-'], /cannot read standard output back/],
    ['merge: --buffer that is no multiple', ['merge', '--buffer=5000', 'a', 'b'], /multiple of 4K/],
    ['merge: --buffer of nothing', ['merge', '--buffer=0', 'a', 'b'], /multiple of 4K/],
    ['merge: --buffer too large', ['merge', '--buffer=32M', 'a', 'b'], /from 4K to 16M/],
    ['merge: --copier of another name', ['merge', '--copier=dd', 'a', 'b'], /auto, reflink, cp, extents, read/],
    ['merge -d and --copier', ['merge', '-d', '--copier=cp', 'a'], /in place does not support --copier/],
    ['merge -d and --sparse', ['merge', '-d', '--sparse=never', 'a'], /in place does not support --sparse/],
    ['merge: --leave and a new file', ['merge', '--leave', 'a', 'b'], /--leave is for merging in place/],
    ['merge: --reset and a new file', ['merge', '--reset', 'a', 'b'], /--reset is for merging in place/],
    ['merge: --delete and standard output', ['merge', '--delete', 'a', '-'], /--delete is for merging in place/],
    ['merge: --leave and --reset', ['merge', '-d', '--leave', '--reset', 'a'], /cannot be used with/],
    ['merge: --reset and --delete', ['merge', '-d', '--reset', '--delete', 'a'], /cannot be used with/],
    ['merge: --resume and --abandon', ['merge', '--resume', '--abandon', 'a'], /cannot be used with/],
    ['merge: --resume and --status', ['merge', '--status', '--resume', 'a'], /cannot be used with/],
    ['merge: --resume with a target', ['merge', '--resume', 'a', 'b'], /--resume takes one file, no target/],
    ['merge: --status with a target', ['merge', '--status', 'a', 'b'], /--status takes one file, no target/],
    ['merge: --abandon with a target', ['merge', '--abandon', 'a', '-'], /--abandon takes one file, no target/],
    ['merge: --resume with --dry-run', ['merge', '--resume', '-n', 'a'], /merge --resume does not support --dry-run/],
    [
      'merge: --abandon with --dry-run',
      ['merge', '--abandon', '-n', 'a'],
      /merge --abandon does not support --dry-run/,
    ],
    ['merge: --resume with --reset', ['merge', '--resume', '--reset', 'a'], /merge --resume does not support --reset/],
    ['merge: --resume with --backup', ['merge', '--resume', '--backup', 'b', 'a'], /does not support --backup/],
    ['merge: --backup without a file', ['merge', '-d', 'a', '--backup'], /argument missing/],
    ['commit: no overlay', ['commit'], /missing required argument 'cow'/],
    ['commit: a target', ['commit', 'a', 'b'], /too many arguments/],
    ['commit: -d', ['commit', '-d', 'a'], /unknown option '-d'/],
    ['commit: --delete', ['commit', '--delete', 'a'], /unknown option '--delete'/],
    ['commit: --force with a word of others', ['commit', '--force=size', 'a'], /"size" is none of in-use, mtime, sib/],
    ['reset: no overlay', ['reset'], /missing required argument 'cow'/],
    ['reset: two overlays', ['reset', 'a', 'b'], /too many arguments/],
    ['reset: --force with a word of others', ['reset', '--force=mtime', 'a'], /"mtime" is none of in-use/],
    ['humfsify: too few arguments', ['humfsify', 'root', 'root'], /needs USER, GROUP and SIZE, or -r/],
    ['humfsify: a bad size', ['humfsify', '0', '0', '1.5G'], /"1.5G" is not a size of a humfs tree/],
    ['humfsify: -r with arguments', ['humfsify', '-r', '0', '0', '1G'], /does not support arguments/],
    ['humfs: no such action', ['humfs', 'mount'], /Allowed choices are restore, info, check/],
    ['humfs: --repair of another', ['humfs', 'info', '--repair'], /humfs info does not support --repair/],
    ['humfs: --no-sync of another', ['humfs', 'check', '--no-sync'], /humfs check does not support --no-sync/],
    ['humfs: --dry-run of another', ['humfs', 'info', '--dry-run'], /humfs info does not support --dry-run/],
    ['humfs import: no format', ['humfs', 'import', 'a', 'b'], /required option '--from <format>'/],
    ['humfs import: no such format', ['humfs', 'import', '--from', 'zip', 'a', 'b'], /Allowed choices are tar, cpio/],
    ['humfs import: no input', ['humfs', 'import', '--from', 'tar'], /missing required argument 'input'/],
    [
      'humfs import: no directory',
      ['humfs', 'import', '--from', 'tar', mappable],
      /the directory to make, or --dry-run/,
    ],
    [
      'humfs import: a bad size',
      ['humfs', 'import', '--from', 'tar', '--size', '1.5G', 'a', 'b'],
      /"1.5G" is not a size of a humfs tree/,
    ],
    ['humfs import: no tree', ['humfs', 'import', '--from', 'mtree', mappable, 'b'], /holds no content: --tree DIR/],
    [
      'humfs import: a tree for tar',
      ['humfs', 'import', '--from', 'tar', '--tree', '.', mappable, 'b'],
      /content in itself/,
    ],
    [
      'humfs import: an option misspelt',
      ['humfs', 'import', '--from', 'tar', '--siz', '1', 'a'],
      /Did you mean --size\?/,
    ],
    [
      'map: zeros without a backing file',
      ['map', '--no-backing', '--detect-zeroes', 'a'],
      /does not support --no-backing/,
    ],
    ['create: a chain in a raw image', ['create', '--chain', 'a', '1M'], /are for overlays/],
    ['map: a bad offset', ['map', '--start-offset', '12Q', 'a'], /argument '12Q' is invalid/],
    ['map: a bad length', ['map', '--max-length=1.3', 'a'], /argument '1.3' is invalid/],
    ['map: an unknown output format', ['map', '--output=xml', 'a'], /Allowed choices are human, json/],
    ['map: a picture and a file', ['map', '--picture', '--svg', 'x', mappable], /--picture does not support/],
    [
      'map: --overwrite without a picture',
      ['map', '--overwrite', mappable],
      /--overwrite is .*: add --svg, --png or --bmap/,
    ],
    ['map: --force=in-use without a picture', ['map', '--force=in-use', mappable], /--force=in-use is .*: add --svg/],
    ['pack: a level with LZ4', ['pack', '--level', '3', 'a', 'b'], /level 3: lz4 has no levels/],
    [
      'pack: a level with none',
      ['pack', '-z', 'none', '--level', '1', 'a', 'b'],
      /level 1: a pack without compression has no levels/,
    ],
    [
      'pack: too high a level',
      ['pack', '-z', 'gzip', '--level', '10', 'a', 'b'],
      /level 10: gzip has levels from 1 to 9/,
    ],
    ['map: --force=leaks without --bmap', ['map', '--force=leaks', mappable], /--force=leaks is for --bmap/],
    ['check: --force without --repair', ['check', '--force=in-use', mappable], /--force needs --repair/],
    ['merge: --force=siblings and a new file', ['merge', '--force=siblings', 'a', 'b'], /--force=siblings: .* add -d/],
    ['merge: --force=room and standard output', ['merge', '--force=mtime,room', 'a', '-'], /--force=room: .* add -d/],
    [
      'merge: --force=journal and a new file',
      ['merge', '--force=journal', 'a', 'b'],
      /for merge --resume and merge --ab/,
    ],
    [
      'merge -d and --force=size',
      ['merge', '-d', '--force=size', 'a'],
      /--force=size: it is for a merge into a new file/,
    ],
    ['merge -d and --force=journal', ['merge', '-d', '--force=journal', 'a'], /for merge --resume and merge --abandon/],
    ['merge -d and --chain', ['merge', '-d', '--chain', 'a'], /in place does not support --chain/],
    ['merge -d and --overwrite', ['merge', '-d', '--overwrite', 'a'], /merge -d does not support --overwrite/],
    ['merge: --overwrite and standard output', ['merge', '--overwrite', 'a', '-'], /--overwrite needs a file/],
    ['merge: --sparse and standard output', ['merge', '--sparse=always', 'a', '-'], /--sparse needs a file/],
    ['merge: --resume with --force=mtime', ['merge', '--resume', '--force=mtime', 'a'], /for the start of a merge/],
    [
      'merge: --abandon with --force=room',
      ['merge', '--abandon', '--force=room', 'a'],
      /does not support --force=room/,
    ],
    ['merge: --status with --force=journal', ['merge', '--status', '--force=journal', 'a'], /does not support --force/],
    ['merge: --status with --siblings-in', ['merge', '--status', '--siblings-in', '.', 'a'], /support --siblings-in/],
    ['merge: --resume with --no-sync', ['merge', '--resume', '--no-sync', 'a'], /does not support --no-sync/],
    [
      'humfs: an option before export',
      ['humfs', '--repair', 'export', '--to', 'tar', 'x'],
      /--repair: give the options of/,
    ],
    ['rebase: no overlay', ['rebase', '-u', '-b', 'x'], /missing required argument 'cow'/],
    ['rebase: no new backing file', ['rebase', '-u', 'a'], /rebase needs -b/],
    ['rebase: not the unsafe form', ['rebase', '-b', 'x', 'a'], /rebase needs -u/],
    ['help for an unknown verb', ['help', 'frobnicate'], /unknown command 'frobnicate'/],
  ])('%s: %j', (_why, args, says) => {
    const directory = temporaryDirectory()
    const outcome = umlcow(args, { cwd: directory })
    expect(outcome).toMatchObject({ status: 64, signal: null, stdout: '' })
    expect(outcome.stderr).toMatch(says)
    expect(outcome.stderr).not.toMatch(/\n\s+at /)
    expect(namesIn(directory)).toEqual([])
  })

  it('says where help is', () => {
    expect(umlcow(['merge', '--bogus']).stderr).toMatch(/^umlcow: .*\numlcow: try: umlcow merge --help\n$/)
    expect(umlcow(['bogus']).stderr).toMatch(/^umlcow: .*\numlcow: try: umlcow --help\n$/)
  })

  it('refuses a name that Node cannot pass on, and takes one that only looks like it', () => {
    const { cow, directory } = makeScene()
    const mangled = shell('cp cow "$(printf "a\\377")"; umlcow info "$(printf "a\\377")"', directory)
    expectPlainFailure(mangled, 64)
    expect(mangled.stderr).toContain('not UTF-8')
    const inImage = shell('umlcow tar cow "$(printf "a\\377")"', directory)
    expectPlainFailure(inImage, 64)
    expect(inImage.stderr).toContain('take the directory above it')
    copyFileSync(cow, path.join(directory, 'a\ufffd'))
    expect(umlcow(['info', 'a\ufffd'], { cwd: directory }).status).toBe(0)
  })

  it('escapes control characters of what it was given', () => {
    expect(umlcow(['\x1b]0;x\x07\u202e']).stderr).toContain('\\x1b]0;x\\x07\\u{202e}')
  })

  it('refuses an image on standard output together with JSON, before it looks at any file', () => {
    const scene = makeScene()
    const outcome = umlcow(['merge', '--json', scene.cow, '-'])
    expect(outcome.status).toBe(64)
    expect(outcome.stderr).toContain('both the image and JSON')
  })
})

describe('the stand-ins for uml-utilities keep the statuses of these', () => {
  it('moo: 1', () => {
    const outcome = umlcow(['moo'])
    expect(outcome).toMatchObject({ status: 1, stdout: '' })
    expect(outcome.stderr).toMatch(/^usage: uml_moo /)
  })

  it('mkcow: 2', () => {
    const outcome = umlcow(['mkcow'])
    expect(outcome).toMatchObject({ status: 2, stdout: '' })
    expect(outcome.stderr).toMatch(/^usage: uml_mkcow /)
  })

  it('hints name no option that they refuse', () => {
    const siblings = makeScene()
    copyFileSync(siblings.cow, `${siblings.cow}1`)
    expect(umlcow(['moo', '-d', siblings.cow]).stderr).toMatch(/try: umlcow merge -d --keep-siblings \S+\n/)
    expect(umlcow(['moo', '-d', '-b', siblings.backing, siblings.cow]).stderr).toContain(
      `try: umlcow merge -d --keep-siblings -b ${siblings.backing} ${siblings.cow}\n`,
    )
    expect(umlcow(['mkcow', siblings.cow, siblings.backing]).stderr).toContain('umlcow: use -f to replace it\n')
    truncateSync(siblings.cow, statSync(siblings.cow).size - 512)
    expect(umlcow(['moo', siblings.cow, siblings.target]).stderr).toContain('with umlcow merge: use --allow-short')
  })
})

describe('errors', () => {
  it('are one JSON document on standard output when JSON was asked for, and text on standard error all the same', () => {
    const directory = temporaryDirectory()
    for (const args of [['--json'], ['--output=json'], ['--output', 'json']]) {
      const outcome = umlcow(['info', ...args, 'missing'], { cwd: directory })
      expectPlainFailure(outcome, 1)
      expect(JSON.parse(outcome.stdout)).toEqual({
        error: { code: 'ENOENT', message: expect.stringContaining('missing: '), details: {} },
      })
    }
  })

  it('carry the hint in JSON, too', () => {
    const scene = makeScene({ header: '/nowhere/at/all/root_fs' })
    const outcome = umlcow(['merge', '--json', scene.cow, scene.target])
    expect(JSON.parse(outcome.stdout).error).toMatchObject({
      code: 'BACKING_MISSING',
      hint: expect.stringContaining('umlcow merge -b '),
    })
  })
})

describe.runIf(existsSync('/dev/full'))('a full disk behind standard output', () => {
  it.each(['info', 'map', 'check', 'merge', 'rebase', 'create'])('%s fails plainly', (verb) => {
    const scene = makeScene()
    const args: Record<string, string[]> = {
      merge: [scene.cow, '-'],
      rebase: ['-u', '-b', scene.backing, scene.cow],
      create: [scene.target, '1M'],
    }
    const full = openSync('/dev/full', 'w')
    const outcome = runWith(['ignore', full, 'pipe'], [verb, ...(args[verb] ?? [scene.cow])])
    closeSync(full)
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toContain('no space left on device')
  })
})
