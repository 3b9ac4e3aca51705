export { parseVirtfs, serializeVirtfs, type VirtfsAttributes } from './attributes.js'
