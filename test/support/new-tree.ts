import fs from 'node:fs'
import path from 'node:path'
import { expect } from 'vitest'

/** A directory for a new tree, with something beside it that must stay as it is. */
export function placeFor(top: string) {
  const parent = path.join(top, 'parent')
  fs.mkdirSync(parent, { recursive: true })
  const beside = path.join(parent, 'beside')
  fs.writeFileSync(beside, 'stays')
  return {
    directory: path.join(parent, 'new'),
    /** Nothing was made, inside or outside. */
    expectNothing() {
      expect(fs.readdirSync(parent)).toEqual(['beside'])
      expect(fs.readdirSync(top)).toEqual(['parent'])
      expect(fs.readFileSync(beside, 'utf8')).toBe('stays')
    },
  }
}
