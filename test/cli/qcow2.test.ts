import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { umlcow } from '../support/command.js'
import { type Json, validate } from '../support/json-schema.js'
import { root, temporaryDirectory } from '../support/paths.js'

it('the verbs print documents about a qcow2 image that fit their schemas', () => {
  const cwd = temporaryDirectory()
  writeFileSync(path.join(cwd, 'root_fs'), Buffer.alloc(300_032, 'root'))
  const document = (name: string, ...args: string[]): Json => {
    const outcome = umlcow(args, { cwd })
    expect(outcome).toMatchObject({ status: 0, stderr: '' })
    const found: Json = JSON.parse(outcome.stdout)
    const schema = JSON.parse(readFileSync(path.join(root, `docs/schema/${name}.json`), 'utf8'))
    expect(validate(schema, found, { closed: true }), outcome.stdout).toEqual([])
    return found
  }
  const create = 'create -f qcow2 -b root_fs -F raw --relative --cluster-size 4K disk --json'
  expect(document('create', ...create.split(' '))).toMatchObject({ format: 'qcow2', 'backing-filename': 'root_fs' })
  expect(document('info', 'info', '--json', 'disk')).toMatchObject({ format: 'qcow2', 'cluster-size': 4096 })
  expect(document('check', 'check', '--json', 'disk')).toMatchObject({ 'total-clusters': 74 })
  expect(document('map', 'map', '--json', 'disk')).toMatchObject([{ depth: 1, data: true, length: 300_032 }])
  expect(document('merge', 'merge', '--json', 'disk', 'merged')).toMatchObject({
    'backing-filename': expect.any(String),
  })
  expect(readFileSync(path.join(cwd, 'merged')).equals(readFileSync(path.join(cwd, 'root_fs')))).toBe(true)
  expect(umlcow(['info', 'disk'], { cwd }).stdout).toMatch(/backing file format: raw\n/)
  expect(umlcow(['check', 'disk'], { cwd }).stdout).toBe('disk: consistent; 0 of 74 clusters allocated\n')
  expect(umlcow(['create', '-F', 'raw', 'no', '1M'], { cwd })).toMatchObject({ status: 64 })
  expect(umlcow(['create', '-f', 'qcow2', 'no', '1M', '--cluster-size', '5K'], { cwd })).toMatchObject({ status: 64 })
})
