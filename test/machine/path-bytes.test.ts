import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  baseName,
  directoryName,
  isAbsolutePath,
  joinPath,
  pathBytes,
  pathComponents,
} from '../../src/machine/path-bytes.js'
import { runs } from '../support/amount.js'

describe('the last component and what stands before it', () => {
  test.each([
    ['/a/b', '/a', 'b'],
    ['a/b', 'a', 'b'],
    ['/a', '/', 'a'],
    ['a', '.', 'a'],
    ['a/', '.', 'a'],
    ['/a/b///', '/a', 'b'],
    ['./a', '.', 'a'],
    ['../a', '..', 'a'],
    ['/', '/', ''],
    ['///', '/', ''],
    ['', '.', ''],
    ['.', '.', '.'],
  ])('of %j are %j and %j', (whole, directory, base) => {
    expect(directoryName(whole).toString()).toBe(directory)
    expect(baseName(whole).toString()).toBe(base)
    expect(directoryName(Buffer.from(whole)).toString()).toBe(directory)
  })

  test('are those of node:path for paths that are text', () => {
    const property = fc.property(fc.string({ unit: fc.constantFrom('a', 'ü', '/', '.'), maxLength: 9 }), (whole) => {
      expect(baseName(whole).toString()).toBe(path.posix.basename(whole))
      // The one difference: several slashes in front of the last component are kept by node:path.
      expect(path.posix.normalize(directoryName(whole).toString())).toBe(
        path.posix.normalize(path.posix.dirname(whole)),
      )
    })
    fc.assert(property, { numRuns: runs(500) })
  })

  test('are bytes, whatever they say as text', () => {
    const whole = Buffer.of(0x2f, 0xff, 0x2f, 0xc3, 0x28)
    expect([...directoryName(whole)]).toEqual([0x2f, 0xff])
    expect([...baseName(whole)]).toEqual([0xc3, 0x28])
  })
})

test.each([
  ['/a', 'b', '/a/b'],
  ['/', 'b', '/b'],
  ['a/', 'b', 'a/b'],
  ['', 'b', 'b'],
  ['.', 'b', './b'],
  ['a', '', 'a/'],
])('%j and %j join to %j', (directory, name, joined) => {
  expect(joinPath(directory, name).toString()).toBe(joined)
})

test('joining and parting again gives the parts', () => {
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 8 })
    .filter((bytes) => !bytes.includes(0x2f) && !bytes.includes(0))
  const property = fc.property(name, name, (directory, base) => {
    const joined = joinPath(Buffer.concat([Buffer.from('/'), directory]), base)
    expect([...baseName(joined)]).toEqual([...base])
    expect([...directoryName(joined)]).toEqual([0x2f, ...directory])
    expect(pathComponents(joined).map((one) => [...one])).toEqual(
      [directory, base].filter((one) => one.length !== 1 || one[0] !== 0x2e).map((one) => [...one]),
    )
  })
  fc.assert(property, { numRuns: runs(300) })
})

test.each([
  ['/a/b', ['a', 'b']],
  ['//a//./b/', ['a', 'b']],
  ['../a/..', ['..', 'a', '..']],
  ['a/.b/...', ['a', '.b', '...']],
  ['', []],
  ['/', []],
  ['./.', []],
])('the components of %j', (whole, components) => {
  expect(pathComponents(Buffer.from(whole)).map(String)).toEqual(components)
})

test('absolute is what starts with a slash', () => {
  expect(['/a', '/', 'a', '', './a'].map((one) => isAbsolutePath(Buffer.from(one)))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ])
})

test('pathBytes copies', () => {
  const given = Buffer.from('abc')
  const bytes = pathBytes(given)
  given.fill(0)
  expect(bytes.toString()).toBe('abc')
  expect(pathBytes('ü').toString('hex')).toBe('c3bc')
})
