import { errorCodes, UmlcowError } from '../../errors.js'
import { checkQcow2 } from '../../images/qcow2/check/check-qcow2.js'
import type { Qcow2Report } from '../../images/qcow2/check/report.js'
import type { HostFiles } from '../../machine/host-files.js'
import { inspectQcow2Backing } from '../../overlays/inspect-backing.js'
import { layerOf, type ProbedFile } from '../../overlays/open.js'
import { openBackingOfQcow2 } from '../../overlays/open-image.js'
import type { Qcow2Overlay } from '../../overlays/open-overlay.js'
import type { CheckOptions } from './options.js'
import type { Problem } from './rules.js'

/** What `check` finds in a qcow2 image. */
export interface CheckedQcow2 {
  /** Null when the header is damaged. */
  readonly report: Qcow2Report | null
  readonly problems: readonly Problem[]
}

/**
 * Check a qcow2 image: header, tables, refcounts, and whether its backing file can be read.
 *
 * @throws UmlcowError QCOW2_FEATURE for a repair, and for a feature that umlcow does not read
 */
export async function checkQcow2File(files: HostFiles, file: ProbedFile, options: CheckOptions): Promise<CheckedQcow2> {
  const { name } = file.store
  if (options.repair) {
    throw new UmlcowError('QCOW2_FEATURE', `${name}: umlcow does not repair qcow2 images`, {
      details: { feature: 'repair' },
      hint: '"qemu-img check -r leaks" repairs waste, "qemu-img check -r all" damage, too; make a copy first',
    })
  }
  let layer: ReturnType<typeof layerOf>
  try {
    layer = layerOf(file)
  } catch (error) {
    if (!isDamage(error)) throw error
    return { report: null, problems: [{ code: error.code, severity: 'damage', message: error.message }] }
  }
  const header = layer.qcow2!
  const report = await checkQcow2(file.store, header, options.signal)
  const problems: Problem[] = [...report.findings]
  if (header.corrupt) {
    const message = `${name}: a program found damage and marked the image as corrupt`
    problems.push({ code: 'QCOW2_DAMAGED', severity: 'damage', message })
  }
  if (header.dirty) {
    const message = `${name}: a program that wrote the image did not close it, so its refcounts may be wrong`
    problems.push({ code: 'QCOW2_DIRTY', severity: 'note', message })
  }
  if (layer.below !== null && !options.noBacking) {
    problems.push(...(await checkBelow(files, { ...file, below: layer.below }, options)))
  }
  return { report, problems }
}

function isDamage(error: unknown): error is UmlcowError {
  return error instanceof UmlcowError && error.code in errorCodes && error.code !== 'QCOW2_FEATURE'
}

/** Find out whether the backing file can be read in its recorded format. The image says neither its size nor its mtime. */
async function checkBelow(files: HostFiles, overlay: Qcow2Overlay, options: CheckOptions): Promise<Problem[]> {
  const inspection = await inspectQcow2Backing(files, overlay, options)
  const problems: Problem[] = inspection.findings.map(({ code, message }) => ({
    code,
    severity: code === 'BACKING_SELF' || code === 'BACKING_KIND' ? 'damage' : 'unknown',
    message,
  }))
  if (problems.length > 0) return problems
  try {
    await (await openBackingOfQcow2(files, overlay, options)).close()
  } catch (error) {
    if (!(error instanceof UmlcowError) || error.code === 'INTERRUPTED') throw error
    problems.push({ code: error.code, severity: 'unknown', message: error.message })
  }
  return problems
}
