import { parseSync, Visitor } from 'oxc-parser';

/** Every string and every template of a TypeScript source, each expression in a template as `?`. */
export function textsOf(path: string, source: string): readonly string[] {
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
