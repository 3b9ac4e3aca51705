// Extended attributes are records SCHILY.xattr.NAME.  Source: star(5). GNU tar and bsdtar write "%25" for a percent sign
// in NAME, and "%3D" for an equals sign, which would end the keyword.
const prefix = 'SCHILY.xattr.'

/** Make the keyword of an extended attribute. The name has one character for each byte. */
export function xattrKeyword(name: string): string {
  return prefix + name.replaceAll('%', '%25').replaceAll('=', '%3D')
}

/** Get the name of an extended attribute; null for the keyword of any other record. */
export function xattrName(keyword: string): string | null {
  if (!keyword.startsWith(prefix)) return null
  return keyword.slice(prefix.length).replaceAll('%3D', '=').replaceAll('%25', '%')
}
