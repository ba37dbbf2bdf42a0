import { parseSync, Visitor } from 'oxc-parser';

/** All strings and templates of a TypeScript source. An expression in a template becomes `?`. */
export function stringLiteralsOf(path: string, source: string): readonly string[] {
  const texts: string[] = [];
  new Visitor({
    Literal({ value }) {
      if (typeof value === 'string') texts.push(value);
    },
    TemplateLiteral({ quasis }) {
      texts.push(quasis.map(({ value }) => value.cooked ?? value.raw).join('?'));
    },
  }).visit(parseSync(path, source).program);
  return texts;
}
