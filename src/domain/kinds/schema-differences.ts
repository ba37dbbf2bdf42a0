const maxDifferences = 3;
const maxValueLength = 60;

/** Where two JSON values differ, the first few places in words: `properties.title.maxLength was 300, is 200`. */
export function describeDifferences(before: unknown, after: unknown): string {
  const found = differencesOf(before, after, []);
  const told = found.slice(0, maxDifferences);
  const more = found.length > told.length ? [`${found.length - told.length} more`] : [];
  return [...told, ...more].join('; ');
}

function differencesOf(
  before: unknown,
  after: unknown,
  path: readonly string[],
): readonly string[] {
  if (isStructure(before) && isStructure(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...names]
      .sort()
      .flatMap((name) => differencesOf(own(before, name), own(after, name), [...path, name]));
  }
  const [was, is] = [print(before), print(after)];
  return was === is ? [] : [`${path.join('.') || 'the schema'} was ${was}, is ${is}`];
}

function isStructure(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function own(value: object, name: string): unknown {
  return Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}

function print(value: unknown): string {
  const text = value === undefined ? 'not there' : JSON.stringify(value);
  return text.length > maxValueLength ? `${text.slice(0, maxValueLength)}…` : text;
}
