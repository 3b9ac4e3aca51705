import fc from 'fast-check'
import { runSeed } from './amount.js'

// Runs before each test file: what fast-check draws depends on the seed of the run, as every other sample does.
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: runSeed })

// For this process alone: see test/vitest.config.ts. What tests start runs as it does for users.
delete process.env['GLIBC_TUNABLES']
