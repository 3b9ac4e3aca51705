const units = ['', 'K', 'M', 'G', 'T', 'P', 'E']

/** Write a size as `ls -h` and `df -h` do: rounded up, with one decimal below 10, powers of 1024: `1.5K`, `12M`. */
export function humanSize(bytes: number): string {
  let [value, unit] = [bytes, 0]
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  if (unit === 0) return String(bytes)
  // What is rounded up may reach the next unit: 1023.5 K is 1.0 M.
  const rounded = value < 10 ? Math.ceil(value * 10) / 10 : Math.ceil(value)
  if (rounded >= 1024 && unit < units.length - 1) return `1.0${units[unit + 1]}`
  return `${rounded < 10 ? rounded.toFixed(1) : rounded}${units[unit]}`
}
