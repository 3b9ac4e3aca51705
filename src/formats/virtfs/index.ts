export { parseVirtfs, serializeVirtfs, type VirtfsAttributes } from './attributes.js'
export { isVirtfsXattr, parseVirtfsXattrs, virtfsXattrs } from './xattrs.js'
