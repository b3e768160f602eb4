/** A built-in type without its modifier: a cast to it neither rounds nor cuts off. Of `typeName` of a column. */
export function bareTypeName(typeName: string): string {
  const bare = typeName.replaceAll(/\([^)]*\)/g, '').replace(/^interval .*/, 'interval')
  return bare.replace(/^character(?=$|\[)/, 'bpchar').replace(/^bit(?=$|\[)/, '"bit"')
}
