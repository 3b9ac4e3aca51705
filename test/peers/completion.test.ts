import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { bashScript } from '../../src/cli/completion/bash.js'
import { describeVerbs } from '../../src/cli/completion/describe.js'
import { fishScript } from '../../src/cli/completion/fish.js'
import { zshScript } from '../../src/cli/completion/zsh.js'
import { verbGroups } from '../../src/cli/verbs.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'
import { unusedContext } from '../support/unused-context.js'

const verbs = await describeVerbs(verbGroups, unusedContext)
const verbNames = verbs.map(({ name }) => name).filter((name) => !name.includes(' '))

/** Command lines, and what a shell must offer for their last word, in any order. */
const lines: readonly (readonly [line: string, offers: readonly string[]])[] = [
  ['umlcow ', verbNames],
  ['umlcow humfs ', ['restore', 'info', 'check', 'export', 'import']],
  ['umlcow humfs export --to ', ['tar', 'cpio', 'mtree', 'fakeroot', 'squashfs', 'directory', '9p']],
  ['umlcow merge --sparse ', ['auto', 'always', 'never']],
  ['umlcow completion ', ['bash', 'zsh', 'fish']],
  ['umlcow help m', ['map', 'merge', 'moo', 'mkcow']],
  ['umlcow humfs --json re', ['restore']],
  ['umlcow humfs --progress=none re', ['restore']],
  ['umlcow help humfs ', ['restore', 'info', 'check', 'export', 'import']],
  ['umlcow help humfs ex', ['export']],
  ['umlcow help merge ', []],
  ['umlcow completion bash ', []],
  ['umlcow merge a b ', []],
  ['umlcow merge --sparse always a b ', []],
  ['umlcow merge a ', ['disk', 'inside']],
  ['umlcow merge --sparse always a ', ['disk', 'inside']],
  ['umlcow info a b c ', ['disk', 'inside']],
  ['umlcow humfs export a ', ['inside']],
  ['umlcow humfs info ', ['inside']],
]

interface Scene {
  readonly directory: string
  readonly script: string
}

/** A directory for a shell, with a file, a directory and this script, whose name no shell offers. */
function scene(text: string): Scene {
  const directory = temporaryDirectory()
  writeFileSync(path.join(directory, 'disk'), '')
  mkdirSync(path.join(directory, 'inside'))
  const script = path.join(directory, '.script')
  writeFileSync(script, text)
  return { directory, script }
}

function run(shell: string, args: readonly string[], { directory, script }: Scene): string {
  const env = {
    PATH: '/usr/bin:/bin',
    HOME: directory,
    TERM: 'dumb',
    SCRIPT: script,
    OUT: path.join(directory, '.out'),
  }
  const done = spawnSync(shell, args, { cwd: directory, env, encoding: 'utf8' })
  expect(done).toMatchObject({ status: 0, stderr: '' })
  return done.stdout
}

/** Offers by line, from `> LINE` and the offers below it. */
function offersIn(output: string): Map<string, string[]> {
  const blocks = output.split('> ').slice(1)
  return new Map(
    blocks.map((block) => {
      const [line = '', ...offers] = block.split('\n')
      const names = offers.map((offer) => (offer.split('\t')[0] as string).replace(/\/$/, ''))
      return [line, names.filter((name) => name !== '' && !name.startsWith('.'))]
    }),
  )
}

function expectOffers(output: string, before: (line: string) => string = () => ''): void {
  const all = offersIn(output)
  for (const [line, offers] of lines) {
    // Zsh offers options where it has nothing else.
    const found = all.get(line)?.filter((offer) => !offer.startsWith('-'))
    expect(new Set(found), line).toEqual(new Set(offers))
  }
  const force = [...(all.get('umlcow merge --force=in-use,s') ?? [])]
  const prefix = before('umlcow merge --force=in-use,s')
  expect(force).toEqual(expect.arrayContaining([`${prefix}siblings`, `${prefix}size`]))
  const more = all.get(again)?.map((offer) => offer.split(',').at(-1))
  expect(more).toContain('mtime')
  expect(more, 'a word that is there already').not.toContain('in-use')
}

const forceLine = 'umlcow merge --force=in-use,s'
const again = 'umlcow merge --force=in-use,'
const asked = [...lines.map(([line]) => line), forceLine, again]

describe.skipIf(!havePeers('/usr/bin/bash'))('bash', () => {
  it('offers every option of every verb, and the words that options take', () => {
    const questions = verbs.map(({ name }) => `umlcow ${name} -`)
    // Bash splits a word at "=" before it calls the function.
    const ask = (line: string) => `ask '${line}' ${line.replace('=', ' = ').replace(/ $/, " ''")}`
    const driver = `
source "$SCRIPT"
# Outside of a completion bash has no compopt, and offers no names of files.
compopt() { files=none; [[ "$*" != *dirnames* ]] || files=directories; }
ask() {
  local files=all
  echo "> $1"
  shift
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  _umlcow
  if [[ \${#COMPREPLY[@]} == 0 ]]; then
    case $files in all) compgen -f -- "\${!#}" ;; directories) compgen -d -- "\${!#}" ;; esac
  fi
  printf '%s\\n' "\${COMPREPLY[@]}"
}
${[...asked, ...questions].map(ask).join('\n')}
`
    const output = run('/usr/bin/bash', ['--norc', '-c', driver], scene(bashScript(verbs)))
    expectOffers(output, () => 'in-use,')
    const all = offersIn(output)
    for (const { name, options } of verbs) {
      expect(all.get(`umlcow ${name} -`)).toEqual(options.flatMap((option) => option.names))
    }
  })
})

describe.skipIf(!havePeers('/usr/bin/fish'))('fish', () => {
  it('offers every option of every verb, and the words that options take', () => {
    const questions = verbs.map(({ name }) => `umlcow ${name} --`)
    const ask = [...asked, ...questions].map((line) => `echo '> ${line}'; complete -C '${line}'`)
    const driver = ['source $SCRIPT', ...ask].join('\n')
    const output = run('/usr/bin/fish', ['--no-config', '-c', driver], scene(fishScript(verbs)))
    expectOffers(output, () => '--force=in-use,')
    const all = offersIn(output)
    for (const { name, options } of verbs) {
      const long = options.flatMap(({ names }) => names.filter((one) => one.startsWith('--')))
      expect(new Set(all.get(`umlcow ${name} --`)), name).toEqual(new Set(long))
    }
  })
})

/** In a terminal of its own: zsh completes nothing elsewhere. `$OUT` gets what is added to the list of offers. */
const zshSetup = `
autoload -Uz compinit
compinit -u -D
source $SCRIPT
compadd() {
  local -a found
  if [[ " $* " != *' -'[OAD]' '* ]]; then
    builtin compadd -A found "$@"
    (($#found)) && print -rl -- $found >> $OUT
  fi
  builtin compadd "$@"
}
ask() { _main_complete; print -r -- . >> $OUT }
zle -C ask complete-word ask
bindkey '^I' ask
unsetopt auto_list
print ready >> $OUT
`

const zshDriver = `
zmodload zsh/zpty
wait-for() { repeat 15000; do [[ -f $OUT && "$(tail -n 1 $OUT)" == $1 ]] && return; sleep 0.02; done; exit 1 }
zpty inner /usr/bin/zsh -f -i
zpty -w inner 'source .setup'
wait-for ready
for line in "$@"; do
  print -r -- "> $line" >> $OUT
  zpty -w -n inner $line$'\\t'
  wait-for .
  zpty -w -n inner $'\\C-u'
done
zpty -d inner
`

describe.skipIf(!havePeers('/usr/bin/zsh'))('zsh', () => {
  it('offers every option of some verbs, and the words that options take', () => {
    const sample = verbs.filter(({ name }) => ['merge', 'humfs', 'humfs import', 'moo'].includes(name))
    const questions = sample.map(({ name }) => `umlcow ${name} -`)
    const place = scene(zshScript(verbs))
    writeFileSync(path.join(place.directory, '.setup'), zshSetup)
    run('/usr/bin/zsh', ['-f', '-c', zshDriver, 'driver', ...asked, ...questions], place)
    const output = readFileSync(path.join(place.directory, '.out'), 'utf8').replaceAll('\n.\n', '\n')
    expectOffers(output)
    const all = offersIn(output)
    for (const { name, options } of sample) {
      const names = options.flatMap((option) => option.names)
      expect([...new Set(all.get(`umlcow ${name} -`))], name).toEqual(expect.arrayContaining(names))
    }
  })
})
