// The command, loaded and waiting:  node at-barrier.js ARGUMENT...  says "ready" on descriptor 3, and begins when that
// many milliseconds have passed that it is then sent there.
import { readSync, writeSync } from 'node:fs'
import { main } from '../../dist/cli/main.js'

writeSync(3, 'ready\n')
const buffer = Buffer.alloc(64)
const length = readSync(3, buffer)
const end = performance.now() + Number(buffer.toString('latin1', 0, length))
while (performance.now() < end);
process.exitCode = await main([process.argv[0], 'umlcow', ...process.argv.slice(2)])
