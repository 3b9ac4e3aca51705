// Assembles codec.wat, and with --write puts it into code.ts: npm run wasm
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import loadAssembler from 'wabt'

const at = (name) => fileURLToPath(new URL(name, import.meta.url))

/** @returns what code.ts has to hold */
export async function assembled() {
  const assembler = await loadAssembler()
  const features = { simd: true, bulk_memory: true }
  const module = assembler.parseWat('codec.wat', readFileSync(at('codec.wat'), 'utf8'), features)
  module.validate()
  const text = Buffer.from(module.toBinary({}).buffer).toString('base64')
  module.destroy()
  const lines = text.match(/.{1,116}/g).map((line) => `  '${line}',\n`)
  return `// "npm run wasm" makes this file from codec.wat.\n\n/** The module, in base64. */\nexport const code = [\n${lines.join('')}].join('')\n`
}

if (process.argv.includes('--write')) writeFileSync(at('code.ts'), await assembled())
