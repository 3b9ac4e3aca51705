import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { verbGroups } from '../../src/cli/verbs.js'
import { umlcow } from '../support/command.js'
import { type HelpOption, lines, optionsOfHelp, optionsOfPage, page, section, words } from '../support/man-page.js'

/** All verbs, and the actions of a verb that have options of their own: `humfs export`. */
const verbs = [
  ...verbGroups.flatMap((group) =>
    group.verbs.flatMap(({ name, actions = [] }) => [name, ...actions.map((action) => `${name} ${action.name}`)]),
  ),
]

const programHelp = umlcow(['--help']).stdout
const helpOf = (verb: string): string => umlcow([...verb.split(' '), '--help']).stdout
/** These take none but --help. */
const withoutOptions = ['help', 'completion']
const verbsWithOptions = verbs.filter((verb) => !withoutOptions.includes(verb))
/** Those of other tools. */
const fewOptions = ['moo', 'mkcow']

function withoutHelp(options: HelpOption[]): string[] {
  return options.flatMap(({ names }) => (names.includes('--help') ? [] : names))
}

describe('the man page', () => {
  it('has the verbs of the command, and no others', () => {
    expect(verbs.length).toBeGreaterThan(6)
    const headings = lines.filter((line) => line.startsWith('.Ss ')).map((line) => line.slice('.Ss '.length))
    expect(headings.sort()).toEqual([...verbs].sort())
    const synopsis = section('.Sh', 'SYNOPSIS').filter((line) => line.startsWith('.Cm '))
    expect([...new Set(synopsis.map((line) => words(line).slice(1).join(' ')))].sort()).toEqual([...verbs].sort())
  })

  it.each(verbsWithOptions)('has the options of %s, long and short, and no others', (verb) => {
    const known = withoutHelp(optionsOfHelp(helpOf(verb)))
    expect(known.length).toBeGreaterThan(fewOptions.includes(verb) ? 0 : 4)
    expect([...optionsOfPage(section('.Ss', verb))].sort()).toEqual([...new Set(known)].sort())
  })

  it('has the options of no verb', () => {
    const known = optionsOfHelp(programHelp).flatMap((option) => option.names)
    expect([...optionsOfPage(section('.Sh', 'SYNOPSIS'))]).toEqual(expect.arrayContaining(known))
  })

  it.each(verbsWithOptions)('describes each option of %s, with its value', (verb) => {
    const items = [...section('.Ss', verb), ...section('.Sh', 'SHARED OPTIONS')].filter((l) => l.startsWith('.It Fl'))
    for (const option of optionsOfHelp(helpOf(verb))) {
      const own = items.find((line) => option.names.every((name) => optionsOfPage([line]).has(name)))
      expect(own, option.names.join(' ')).toBeDefined()
      expect(words(own as string).includes('Ar'), own).toBe(option.takesValue)
    }
  })

  it('mentions no option that no verb has', () => {
    const helps = [programHelp, ...verbs.map((verb) => helpOf(verb))]
    const known = new Set(helps.flatMap((text) => optionsOfHelp(text).flatMap((option) => option.names)))
    expect([...optionsOfPage(lines)].filter((name) => !known.has(name))).toEqual([])
  })

  it('has every exit status of the help', () => {
    const all = programHelp.split('\n')
    const start = all.indexOf('Exit status:')
    const statuses = all.slice(start + 1, all.indexOf('', start)).map((line) => words(line)[0])
    const items = section('.Sh', 'EXIT STATUS').filter((line) => line.startsWith('.It '))
    expect(items.map((line) => words(line)[1])).toEqual(statuses)
  })

  it('has the sections a reader looks for', () => {
    const titles = lines.filter((line) => line.startsWith('.Sh ')).map((line) => line.slice('.Sh '.length))
    expect(titles).toEqual(
      expect.arrayContaining(['NAME', 'SYNOPSIS', 'DESCRIPTION', 'BACKING PATHS', 'JSON', 'EXIT STATUS', 'FILES']),
    )
    expect(titles).toEqual(expect.arrayContaining(['ENVIRONMENT', 'EXAMPLES', 'SEE ALSO']))
  })

  it('escapes every hyphen of a literal, so that it can be copied', () => {
    const literals = readFileSync(page, 'utf8')
      .split('\n')
      .filter((line) => /^\.(Ql|Fl|Cm|Pa|Xr) /.test(line))
    expect(literals.filter((line) => /[^\\]-/.test(line))).toEqual([])
  })

  it.runIf(existsSync('/usr/bin/groff'))('is formatted without a warning', () => {
    const done = spawnSync('/usr/bin/groff', ['-ww', '-mandoc', '-Tutf8', page], { encoding: 'utf8' })
    expect(done).toMatchObject({ status: 0, stderr: '' })
    expect(done.stdout.length).toBeGreaterThan(10_000)
  })
})
