// Start with nothing of the inputs in memory.
import { accessSync, constants, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

// Source: Linux Documentation/admin-guide/sysctl/vm.rst, drop_caches
const switchFile = '/proc/sys/vm/drop_caches'

export function canDropCaches() {
  try {
    accessSync(switchFile, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Of the whole machine: nothing else tells the kernel to forget a file. What was not synced before stays. */
export function dropCaches() {
  writeFileSync(switchFile, '3')
}

/** The programs were forgotten, too. They are read again, so that the time is that of cold inputs only. */
export async function warmUp({ commands, warm = [] }, run) {
  for (const [program] of commands) await run(program, ['--version'])
  for (const file of warm) readTree(file)
}

function readTree(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const file = path.join(directory, entry.name)
    if (entry.isDirectory()) readTree(file)
    else if (entry.isFile()) readFileSync(file)
  }
}
