import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  EMAIL_OCTETS_MAX,
  emailKey,
  parseEmailAddress,
  readEmailAddress,
} from '#src/accounts/email-address.ts';
import { Refusal } from '#src/fault.ts';
import { fc } from '#test/support/properties.ts';

const keyOf = (text: string) => emailKey(parseEmailAddress(text));

describe('an e-mail address', () => {
  const taken: [typed: string, kept: string][] = [
    ['ada@example.com', 'ada@example.com'],
    ['  Ada.Lovelace+keys@Example.COM ', 'Ada.Lovelace+keys@example.com'],
    ["o'neil!#$%&*/=?^_`{|}~-@example.com", "o'neil!#$%&*/=?^_`{|}~-@example.com"],
    ['ada@bücher.example', 'ada@xn--bcher-kva.example'],
    ['jürgen@example.com', 'jürgen@example.com'],
    ['ada@localhost', 'ada@localhost'],
    ['ada@3com.com', 'ada@3com.com'],
  ];
  for (const [typed, kept] of taken) {
    test(`may be "${typed}"`, () => {
      assert.equal(parseEmailAddress(typed), kept);
    });
  }

  const refused: [why: string, address: string][] = [
    ['empty', ''],
    ['without "@"', 'ada.example.com'],
    ['without a local part', '@example.com'],
    ['without a domain', 'ada@'],
    ['with two "@"', 'ada@lovelace@example.com'],
    ['with a quoted local part', '"ada lovelace"@example.com'],
    ['with a name before it', 'Ada <ada@example.com>'],
    ['two addresses', 'ada@example.com,eve@example.com'],
    ['with a header after it', 'ada@example.com\r\nBcc: eve@example.com'],
    ['with a header in the local part', 'ada\r\nBcc@example.com'],
    ['with a dot at the end of the local part', 'ada.@example.com'],
    ['with two dots in a row', 'ada..b@example.com'],
    ['with an empty label', 'ada@example..com'],
    ['with a dot at the end', 'ada@example.com.'],
    ['with an underscore in the domain', 'ada@exa_mple.com'],
    ['with a hyphen at the edge of a label', 'ada@-example.com'],
    ['with a percent sign in the domain', 'ada@ex%61mple.com'],
    ['at an IPv4 address', 'ada@127.0.0.1'],
    ['at an IPv4 address in other words', 'ada@0x7f.1'],
    ['at an address literal', 'ada@[127.0.0.1]'],
    ['with a zero-width space', 'a\u200Bda@example.com'],
    ['with half a character', 'ada\uD800@example.com'],
  ];
  for (const [why, address] of refused) {
    test(`is refused when it is ${why}`, () => {
      assert.equal(readEmailAddress(address), null);
      assert.throws(
        () => parseEmailAddress(address),
        (error) => error instanceof Refusal && error.code === 'email_invalid',
      );
    });
  }

  test('has at most 64 octets before the "@" (RFC 5321 section 4.5.3.1.1)', () => {
    assert.notEqual(readEmailAddress(`${'a'.repeat(64)}@example.com`), null);
    assert.equal(readEmailAddress(`${'a'.repeat(65)}@example.com`), null);
    assert.equal(readEmailAddress(`${'ü'.repeat(33)}@example.com`), null);
  });

  test('has at most 254 octets (RFC 5321 section 4.5.3.1.3)', () => {
    const domain = `${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`;
    const longest = `${'a'.repeat(EMAIL_OCTETS_MAX - domain.length - 1)}@${domain}`;
    assert.equal(longest.length, 254);
    assert.equal(readEmailAddress(longest), longest);
    assert.equal(readEmailAddress(`${longest}d`), null);
  });

  test('is the same in every case and spelling of its domain', () => {
    assert.equal(keyOf('Ada@Example.com'), keyOf('ada@EXAMPLE.com'));
    assert.equal(keyOf('ada@Bücher.example'), keyOf('ada@xn--bcher-kva.example'));
    assert.equal(keyOf('jürgen@example.com'), keyOf('JU\u0308RGEN@example.com'));
  });

  test('differs by what stands after a plus sign, which is the matter of its host', () => {
    assert.notEqual(keyOf('ada+a@example.com'), keyOf('ada+b@example.com'));
  });

  test('once read reads as itself, within the limits and on one line', () => {
    const nearly = fc
      .tuple(fc.string({ unit: 'grapheme' }), fc.domain())
      .map(([local, domain]) => `${local}@${domain}`);
    fc.assert(
      fc.property(fc.oneof(fc.emailAddress(), nearly, fc.string({ unit: 'binary' })), (text) => {
        const address = readEmailAddress(text);
        if (address === null) return;
        assert.equal(readEmailAddress(address), address);
        assert.equal(emailKey(emailKey(address) as typeof address), emailKey(address));
        assert.ok(Buffer.byteLength(address) <= EMAIL_OCTETS_MAX);
        assert.match(address, /^[^\s\p{Cc}]+@[a-z0-9.-]+$/u);
      }),
      { numRuns: 2_000 },
    );
  });

  test('of any mailbox that RFC 5322 calls a dot-atom is taken', () => {
    fc.assert(
      fc.property(fc.emailAddress(), (address) => {
        assert.notEqual(readEmailAddress(address), null);
      }),
    );
  });
});
