import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { breakRows } from '../../bench/safety/rows-breaks.js'
import { fileRows } from '../../bench/safety/rows-files.js'
import { siblingRows } from '../../bench/safety/rows-siblings.js'
import { tableBegin, tableEnd } from '../../bench/safety/table.js'
import { diceFor, isDeep } from '../support/amount.js'
import { guestPeers } from '../support/guest.js'
import { root } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

/** The cells of a table, by the text of their row and the head of their column. Versions stand above it. */
function cellsOf(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => line.startsWith('| '))
  const [head = [], , ...rows] = lines.map((line) => line.slice(2, -2).split(' | '))
  return Object.fromEntries(rows.flatMap(([row, ...cells]) => cells.map((cell, i) => [`${row}: ${head[i + 1]}`, cell])))
}

const rows = [...fileRows, ...siblingRows, ...breakRows]

/**
 * Other tools do not change with this project: a quick run looks at what they do in two rows, and not in those where
 * they have to be caught at work. A guest boots for one row: in-place-guest.test.ts and guest-in-use.test.ts have more.
 */
function chooseQuick(): { readonly run: readonly string[]; readonly alone: readonly string[] } {
  const dice = diceFor('safety table')
  const ids = rows.map((row) => row.id)
  const guest = ids.filter((id) => id.startsWith('guest-'))
  const slow = [...guest, 'killed', 'second-merge', 'two-at-once', 'one-second', 'sibling-kept']
  const booted = dice.pick(guest)
  const compared = [fileRows, siblingRows].map((part) =>
    dice.pick(part.map((row) => row.id).filter((id) => !slow.includes(id))),
  )
  return {
    run: ids.filter((id) => id === booted || !guest.includes(id)),
    alone: ids.filter((id) => !compared.includes(id)),
  }
}

describe.runIf(havePeers(...guestPeers, '/usr/bin/uml_moo', '/usr/bin/uml_mkcow', '/usr/bin/qemu-img'))(
  'docs/safety.md',
  () => {
    it('has the table that the script prints', () => {
      const page = readFileSync(path.join(root, 'docs/safety.md'), 'utf8')
      const written = cellsOf(page.slice(page.indexOf(tableBegin), page.indexOf(tableEnd)))
      const script = path.join(root, 'bench/safety.js')
      const { run, alone } = isDeep ? { run: rows.map((row) => row.id), alone: [] } : chooseQuick()
      const args = ['--rows', run.join(), ...(alone.length === 0 ? [] : ['--alone', alone.join()])]
      const done = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
      expect(done).toMatchObject({ status: 0, signal: null })
      const seen = cellsOf(done.stdout)
      expect(Object.keys(written).length).toBeGreaterThan(60)
      expect(Object.keys(written).length).toBe(3 * rows.length)
      const leftOut = rows.filter((row) => !run.includes(row.id)).map((row) => row.text)
      const isRun = (name: string) => !leftOut.some((text) => name.startsWith(`${text}: `))
      expect(Object.keys(seen)).toEqual(Object.keys(written).filter(isRun))
      expect(Object.keys(seen)).toHaveLength(3 * run.length)
      for (const [name, cell] of Object.entries(seen)) {
        // For want of root, or a tool that is too fast for the script to stop it in time, or is left to a deep run.
        const isExcused =
          cell.startsWith('not run: needs ') || (cell.startsWith('not run: ') && !name.endsWith(': umlcow'))
        if (isExcused) console.warn(`SKIPPED: ${name}: ${cell}`)
        else expect({ name, cell }).toEqual({ name, cell: written[name] })
      }
    })
  },
)
