import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { tableBegin, tableEnd } from '../../bench/safety/table.js'
import { amount } from '../support/amount.js'
import { guestPeers } from '../support/guest.js'
import { root } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

/** The cells of a table, by the text of their row and the head of their column. Versions stand above it. */
function cellsOf(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => line.startsWith('| '))
  const [head = [], , ...rows] = lines.map((line) => line.slice(2, -2).split(' | '))
  return Object.fromEntries(rows.flatMap(([row, ...cells]) => cells.map((cell, i) => [`${row}: ${head[i + 1]}`, cell])))
}

describe.runIf(havePeers(...guestPeers, '/usr/bin/uml_moo', '/usr/bin/uml_mkcow', '/usr/bin/qemu-img'))(
  'docs/safety.md',
  () => {
    it('has the table that the script prints', () => {
      const page = readFileSync(path.join(root, 'docs/safety.md'), 'utf8')
      const written = cellsOf(page.slice(page.indexOf(tableBegin), page.indexOf(tableEnd)))
      const script = path.join(root, 'bench/safety.js')
      const args = amount({
        quick: [
          '--alone',
          'killed,second-merge,two-at-once,guest-on-overlay,guest-on-sibling,guest-new-file,sibling-kept',
        ],
        deep: [],
      })
      const done = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
      expect(done).toMatchObject({ status: 0, signal: null })
      const seen = cellsOf(done.stdout)
      expect(Object.keys(seen)).toEqual(Object.keys(written))
      expect(Object.keys(seen).length).toBeGreaterThan(60)
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
