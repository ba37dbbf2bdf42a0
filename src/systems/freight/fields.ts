import { z } from 'zod';
import type { JsonValue } from '../../domain/json-value.ts';
import type { Fields } from '../../domain/kinds/intent.ts';

/** Whole cents: a decimal number of euros does not survive being added up. */
export const amountCentsSchema = z.int().min(0).describe('Whole cents of the currency');

export const currencySchema = z
  .string()
  .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code such as EUR')
  .describe('ISO 4217');

/** A day as the paper says it, without a time zone. */
export const daySchema = z.iso.date();

export const labelSchema = z.string().min(1).max(200);

/** The fields that a payload names; null is a value, and empties a field. */
export function named(fields: { readonly [name: string]: JsonValue | undefined }): Fields {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Fields;
}

/** For an update, whose payload is an id and at least one field. */
export function namesAField(update: object): boolean {
  return Object.keys(update).length > 1;
}
