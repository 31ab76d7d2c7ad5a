import assert from 'node:assert/strict';

export interface Element {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
}

export interface Markup {
  readonly elements: readonly Element[];
  /** What stands between the tags. */
  readonly text: string;
}

const VOID = new Set(['img', 'input', 'link', 'meta']);
const TAG = /<(?:!DOCTYPE html|(\/?)([a-z][a-z0-9]*)((?: [a-zA-Z-]+(?:="[^"<>]*")?)*))>/g;
const ATTRIBUTE = / ([a-zA-Z-]+)(?:="([^"<>]*)")?/g;

/** Reads markup far more strictly than a browser would, and fails at whatever is not as it should be written. */
export function readMarkup(html: string): Markup {
  const elements: Element[] = [];
  const open: string[] = [];
  let text = '';
  let end = 0;
  for (const { 0: tag, 1: slash, 2: name = '', 3: attributes = '', index } of html.matchAll(TAG)) {
    text += `${html.slice(end, index)}\n`;
    end = index + tag.length;
    if (name === '') continue;
    if (slash) {
      assert.equal(open.pop(), name, `</${name}> closes what is open`);
      continue;
    }
    if (!VOID.has(name)) open.push(name);
    elements.push({ name, attributes: readAttributes(attributes) });
  }
  assert.deepEqual(open, [], 'every element is closed');
  assert.equal(html.slice(end), '', 'nothing follows the last tag');
  assert.doesNotMatch(text, /[<>]/, 'no stray bracket between the tags');
  return { elements, text };
}

function readAttributes(source: string): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>();
  for (const [, name = '', value = ''] of source.matchAll(ATTRIBUTE)) {
    assert.ok(!attributes.has(name), `${name} is given once`);
    assert.doesNotMatch(name, /^(style|on)/i, 'no style and no script in an attribute');
    attributes.set(name, value);
  }
  return attributes;
}

/** Fails where a reference leads nowhere, or where a form or a page lacks what a person or a screen reader needs. */
export function checkReferences({ elements }: Markup): void {
  const ids = elements.flatMap(({ attributes }) => attributes.get('id') ?? []);
  assert.equal(new Set(ids).size, ids.length, 'no id is given twice');
  const labelled = new Set(
    elements.flatMap(({ name, attributes }) => (name === 'label' ? (attributes.get('for') ?? []) : [])),
  );
  for (const { name, attributes } of elements) {
    for (const reference of ['for', 'form', 'aria-labelledby', 'aria-describedby']) {
      const id = attributes.get(reference);
      if (id !== undefined) assert.ok(ids.includes(id), `${reference}="${id}" leads somewhere`);
    }
    if (name === 'input' && attributes.get('type') !== 'hidden') {
      assert.ok(labelled.has(attributes.get('id') ?? ''), `${attributes.get('name')} has a label`);
    }
    if (name === 'img')
      assert.ok(attributes.has('alt'), 'an image says what it is for those who do not see it');
    if (name === 'form') assert.equal(attributes.get('method'), 'post');
    assert.notEqual(name, 'style');
  }
  for (const once of ['h1', 'main', 'header', 'title']) {
    assert.equal(elements.filter(({ name }) => name === once).length, 1, `one ${once}`);
  }
}
