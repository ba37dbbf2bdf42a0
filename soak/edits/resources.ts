import { basedOn, type Deed } from './author.ts';

/** Tills' resources, on the version they saw; two edits of one customer are merged by the kind. */
export const editResource: Deed = (author) => {
  const { random } = author;
  const resourceType = random.pick(['Customer', 'Customer', 'Sales Invoice']);
  const resourceId = `r${random.int(1, 12)}`;
  const entity = { entityType: 'resource', entityId: `${resourceType}/${resourceId}` };
  const { baseVersion: seen, ...baseKey } = { baseVersion: 0, ...basedOn(author, entity) };
  const ref = { resourceType, resourceId, resourceVersion: seen };
  const rest = { ...author.when(), ...baseKey };
  if (random.chance(0.1)) return [author.write(entity, 'resource.remove', ref, rest)];
  const phones = [`+47 ${random.int(100, 120)}`, `+48 ${random.int(100, 120)}`];
  const data =
    resourceType === 'Customer'
      ? { name: `Kari ${random.int(1, 9)}`, phones, ...(random.chance(0.5) && { city: 'Oslo' }) }
      : { total: random.int(1, 999), open: random.chance(0.5), lines: [{ sku: 'a', n: 1 }] };
  return [author.write(entity, 'resource.put', { ...ref, data }, rest)];
};
