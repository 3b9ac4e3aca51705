import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { unpackPair } from '../../fixtures/unpack.js'
import { umlcow } from '../support/command.js'
import { root, temporaryDirectory } from '../support/paths.js'

const readme = readFileSync(path.join(root, 'README.md'), 'utf8')

/** The commands of a block ```console with what they print. */
function consoleCommands(): { args: string[]; output: string }[] {
  const start = readme.indexOf('```console\n') + '```console\n'.length
  const block = readme.slice(start, readme.indexOf('```', start))
  return block
    .split('$ umlcow ')
    .slice(1)
    .map((part) => {
      const [command = '', ...lines] = part.split('\n')
      return { args: command.split(' '), output: lines.join('\n').trim() }
    })
}

/** Without what differs between machines: how much a host stores, and which processes one may look into. */
function portable(text: string): string {
  const lines = text.split('\n').filter((line) => !line.startsWith('disk size: '))
  return lines.map((line) => (line.startsWith('in use: ') ? line.split(' (')[0] : line)).join('\n')
}

describe('the README', () => {
  it('shows what its commands really print', () => {
    const cwd = temporaryDirectory()
    unpackPair('ext4', cwd)
    const commands = consoleCommands()
    expect(commands).toHaveLength(3)
    for (const { args, output } of commands) {
      const { status, stdout, stderr } = umlcow(args, { cwd })
      expect({ status, stderr }, args.join(' ')).toEqual({ status: 0, stderr: '' })
      expect(portable(stdout.trim())).toBe(portable(output))
    }
  })

  it('has the test command that CI runs, and the demonstration', () => {
    const last = readFileSync(path.join(root, '.ci/run'), 'utf8').trim().split('\n').at(-1)
    expect(readme).toContain(`\`\`\`sh\n${last}\n\`\`\``)
    expect(readme).toContain('```sh\nnpm ci && npm run demo\n```')
  })
})
