import { z } from 'zod';
import type { JsonValue } from '../../domain/json-value.ts';
import type { Fields } from '../../domain/kinds/intent.ts';

/** Whole cents, because sums of decimal numbers have rounding errors. */
export const amountCentsSchema = z.int().min(0).describe('Whole cents of the currency');

export const currencySchema = z
  .string()
  .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code such as EUR')
  .describe('ISO 4217');

/** A calendar day as on the paper, without a time zone. */
export const daySchema = z.iso.date();

export const labelSchema = z.string().min(1).max(200);

/** The fields that a payload names. null is a value, and empties a field. */
export function namedFields(fields: { readonly [name: string]: JsonValue | undefined }): Fields {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Fields;
}

/** Whether an update names a field beside its id. */
export function namesAField(update: object): boolean {
  return Object.keys(update).length > 1;
}
