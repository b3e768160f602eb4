import { strings, type Tree } from './tree.ts'

/** The name Postgres gives an output column without an alias (FigureColname of parser/parse_target.c). */
export function outputName(expression: Tree): string {
  return figure(expression).name ?? '?column?'
}

/** `strength` 2: a real name; 1: a name that a better one may replace; 0: none. */
type Figured = { readonly name: string | undefined; readonly strength: 0 | 1 | 2 }
const NONE: Figured = { name: undefined, strength: 0 }

function strong(name: string | undefined): Figured {
  return name === undefined ? NONE : { name, strength: 2 }
}

function figure(node: Tree | undefined): Figured {
  if (node === undefined) return NONE
  return figureReference(node) ?? figureSpecial(node) ?? NONE
}

function figureReference(node: Tree): Figured | undefined {
  if (node.ColumnRef !== undefined) return strong(lastName(node.ColumnRef.fields))
  if (node.A_Indirection !== undefined) {
    const name = lastName(node.A_Indirection.indirection)
    return name === undefined ? figure(node.A_Indirection.arg) : strong(name)
  }
  if (node.FuncCall !== undefined) return strong(lastName(node.FuncCall.funcname))
  if (node.A_Expr !== undefined)
    return node.A_Expr.kind === 'AEXPR_NULLIF' ? strong('nullif') : NONE
  if (node.TypeCast !== undefined) {
    const inner = figure(node.TypeCast.arg)
    if (inner.strength > 1) return inner
    const type = strings(node.TypeCast.typeName?.names).at(-1)
    return type === undefined ? inner : { name: type, strength: 1 }
  }
  return node.CollateClause === undefined ? undefined : figure(node.CollateClause.arg)
}

function figureSpecial(node: Tree): Figured | undefined {
  if (node['GroupingFunc'] !== undefined) return strong('grouping')
  if (node.SubLink !== undefined) return figureSubLink(node)
  if (node.CaseExpr !== undefined) {
    const inner = figure(node.CaseExpr.defresult)
    return inner.strength > 0 ? inner : { name: 'case', strength: 1 }
  }
  if (node.A_ArrayExpr !== undefined) return strong('array')
  if (node.RowExpr !== undefined) return strong('row')
  if (node['CoalesceExpr'] !== undefined) return strong('coalesce')
  if (node.MinMaxExpr !== undefined) {
    return strong(node.MinMaxExpr.op === 'IS_LEAST' ? 'least' : 'greatest')
  }
  if (node.SQLValueFunction !== undefined)
    return strong(valueFunctionName(node.SQLValueFunction.op))
  if (node['XmlSerialize'] !== undefined) return strong('xmlserialize')
  if (node.XmlExpr !== undefined)
    return strong((node.XmlExpr.op ?? '').replace('IS_', '').toLowerCase())
  return figureJson(node)
}

const JSON_NAMES: Readonly<Record<string, string>> = {
  JsonParseExpr: 'json',
  JsonScalarExpr: 'json_scalar',
  JsonSerializeExpr: 'json_serialize',
  JsonObjectConstructor: 'json_object',
  JsonArrayConstructor: 'json_array',
  JsonArrayQueryConstructor: 'json_array',
  JsonObjectAgg: 'json_objectagg',
  JsonArrayAgg: 'json_arrayagg',
}

function figureJson(node: Tree): Figured | undefined {
  const [kind] = Object.keys(node)
  return kind === undefined || JSON_NAMES[kind] === undefined ? undefined : strong(JSON_NAMES[kind])
}

function figureSubLink(node: Tree): Figured {
  switch (node.SubLink?.subLinkType) {
    case 'EXISTS_SUBLINK':
      return strong('exists')
    case 'ARRAY_SUBLINK':
      return strong('array')
    case 'EXPR_SUBLINK': {
      const target = node.SubLink.subselect?.SelectStmt?.targetList?.[0]?.ResTarget
      return strong(
        target?.name ?? (target?.val === undefined ? undefined : outputName(target.val)),
      )
    }
    default:
      return NONE
  }
}

/** SVFOP_CURRENT_TIMESTAMP_N -> current_timestamp */
function valueFunctionName(operation: string | undefined): string {
  return (operation ?? '').replace('SVFOP_', '').replace(/_N$/, '').toLowerCase()
}

function lastName(fields: readonly Tree[] | undefined): string | undefined {
  return (fields ?? []).map((field) => field.String?.sval).findLast((name) => name !== undefined)
}
