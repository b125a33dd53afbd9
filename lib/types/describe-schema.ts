/** A schema as TypeScript would write it, for messages: `{ symbol: string; price?: float64; tags: string[] }`. */
import type { FieldSchema, Schema } from './schema.ts'

const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]*$/

export function describeSchema(schema: Schema): string {
  switch (schema.kind) {
    case 'literal':
      return schema.values.map((value) => `'${value}'`).join(' | ')
    case 'list':
      return `${describePart(schema.element)}[]`
    case 'map':
      return `Map<${describeSchema(schema.key)}, ${describeSchema(schema.value)}>`
    case 'tuple':
      return `[${schema.elements.map(describeSchema).join(', ')}]`
    case 'object':
      return describeFields(schema.fields)
    case 'nullable':
      return `${describeSchema(schema.of)} | null`
    case 'union':
      return schema.variants
        .map((variant) => describeVariant(schema.tag, variant.name, variant.fields))
        .join(' | ')
    case 'avro':
      return `Avro ${JSON.stringify(schema.schema)}`
    default:
      return schema.kind
  }
}

/** With parentheses where `[]` would otherwise bind to the last alternative only. */
function describePart(schema: Schema): string {
  const isAlternatives = schema.kind === 'nullable' || schema.kind === 'literal' || schema.kind === 'union'
  return isAlternatives ? `(${describeSchema(schema)})` : describeSchema(schema)
}

function describeVariant(tag: string, name: string, fields: readonly FieldSchema[]): string {
  return `{ ${[`${describeName(tag)}: '${name}'`, ...fields.map(describeField)].join('; ')} }`
}

function describeFields(fields: readonly FieldSchema[]): string {
  return fields.length === 0 ? '{}' : `{ ${fields.map(describeField).join('; ')} }`
}

function describeField(field: FieldSchema): string {
  const mark = field.isOptional === true ? '?' : ''
  const byDefault = field.default === undefined ? '' : ' (has a default)'
  return `${describeName(field.name)}${mark}: ${describeSchema(field.schema)}${byDefault}`
}

function describeName(name: string): string {
  return IDENTIFIER.test(name) ? name : JSON.stringify(name)
}
