import { describe, expect, it } from 'vitest'
import { umlcow } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'
import { shell, writeHole } from './scene.js'

const helpOf = (...words: string[]) => umlcow([...words, '--help']).stdout

describe('help', () => {
  it.each<[words: string[], help: () => string]>([
    [['help'], () => helpOf()],
    [['help', '-h'], () => helpOf('help')],
    [['help', '--help'], () => helpOf('help')],
    [['help', 'help'], () => helpOf('help')],
    [['help', 'info', '--help'], () => helpOf('info')],
    [['help', 'mkcow'], () => helpOf('mkcow')],
    [['help', 'humfs', 'export'], () => helpOf('humfs', 'export')],
    [['help', 'humfs', 'check'], () => helpOf('humfs')],
    [['humfs', 'help', 'export'], () => helpOf('humfs', 'export')],
    [['humfs', 'help', 'restore'], () => helpOf('humfs')],
    [['humfs', 'help'], () => helpOf('humfs')],
  ])('%j prints the help of these words', (words, help) => {
    const outcome = umlcow(words)
    expect(outcome).toMatchObject({ status: 0, stderr: '', stdout: help() })
    expect(outcome.stdout).toMatch(/^Usage: umlcow /)
  })

  it('of a tool has the options that the tool takes', () => {
    expect(helpOf('moo')).toMatch(/\n {2}-d .*\n {2}-b <backing> /)
    expect(helpOf('mkcow')).toMatch(/\n {2}-f /)
  })

  it.each<[words: string[], says: string, tries: string]>([
    [['help', 'mege'], "unknown command 'mege' (Did you mean merge?)", '--help'],
    [['help', 'version'], "unknown command 'version'", '--version'],
    [['version'], "unknown command 'version'", '--version'],
    [['help', '--jsn'], "unknown option '--jsn'", '--help'],
    [['help', 'merge', 'x'], 'help: "x" is no action of merge', 'merge --help'],
    [
      ['help', 'humfs', 'chekc'],
      '"chekc" is no action of humfs; its actions are restore, info, check, export',
      'humfs',
    ],
    [['help', 'humfs', 'export', 'x'], '"x" is no action of humfs', 'humfs --help'],
    [['humfs', 'chekc'], 'Allowed choices are restore, info, check, export, import.', 'humfs --help'],
  ])('%j says what is wrong, and where help is', (words, says, tries) => {
    const { status, stdout, stderr } = umlcow(words)
    expect({ status, stdout }).toEqual({ status: 64, stdout: '' })
    expect(stderr).toContain(says)
    expect(stderr).toContain(`\numlcow: try: umlcow ${tries}`)
  })
})

describe('an output that nobody takes', () => {
  it('is no reason for a stack of Node: a full disk is an error, and a reader that has gone is quiet', () => {
    const commands = ['--help', '--version', 'help merge', 'moo --help', 'humfs export --help']
    const full = commands.map((one) => `umlcow ${one} > /dev/full; echo "status $?" >&2`)
    const gone = commands.map((one) => `umlcow ${one} | :`)
    const first = 'umlcow help merge | head -1'
    const { stdout, stderr } = shell([...full, ...gone, first].join('\n'), temporaryDirectory())
    const refusal = 'umlcow: standard output: cannot write: ENOSPC: no space left on device\nstatus 1\n'
    expect(stderr).toBe(refusal.repeat(commands.length))
    expect(stdout).toBe('Usage: umlcow merge [options] <cow> [target]\n')
  })

  it('that is closed fails verbs whose document would be lost, before they do anything', () => {
    const directory = temporaryDirectory()
    writeHole(`${directory}/root_fs`, 65536)
    const commands = ['info --json root_fs', 'create --output=json new 1M', 'humfs info --json .']
    const { stderr } = shell(commands.map((one) => `umlcow ${one} >&-; echo "$?" >&2`).join('\n'), directory)
    const lines = stderr.split('\n')
    expect(lines.filter((line) => line === 'umlcow: standard output: is closed')).toHaveLength(commands.length)
    expect(lines.filter((line) => line === '1')).toHaveLength(commands.length)
    expect(shell('ls', directory).stdout).toBe('root_fs\n')
  })
})
