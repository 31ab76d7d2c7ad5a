import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { certificateIsAbout, wrongSubject } from '#src/clients/certificate-subject.ts';
import { areSameName, parseDistinguishedName } from '#src/clients/distinguished-name.ts';
import { certify } from '#test/support/certificates.ts';
import { fc } from '#test/support/properties.ts';

const same = (one: string, other: string) =>
  areSameName(parseDistinguishedName(one), parseDistinguishedName(other));

describe('a distinguished name as text (RFC 4514)', () => {
  test('is read as the examples of section 4 are meant', () => {
    assert.deepEqual(parseDistinguishedName('UID=jsmith,DC=example,DC=net'), [
      [{ type: '0.9.2342.19200300.100.1.25', value: 'net' }],
      [{ type: '0.9.2342.19200300.100.1.25', value: 'example' }],
      [{ type: '0.9.2342.19200300.100.1.1', value: 'jsmith' }],
    ]);
    assert.deepEqual(parseDistinguishedName('OU=Sales+CN=J.  Smith,DC=example')[1], [
      { type: '2.5.4.11', value: 'Sales' },
      { type: '2.5.4.3', value: 'J.  Smith' },
    ]);
    const read = (text: string) => parseDistinguishedName(text)[0]?.[0]?.value;
    assert.equal(read('CN=James \\"Jim\\" Smith\\, III'), 'James "Jim" Smith, III');
    assert.equal(read('CN=Before\\0dAfter'), 'Before\rAfter');
    assert.equal(read('1.3.6.1.4.1.1466.0=#04024869'), '#04:4869');
    assert.equal(read('CN=Lu\\C4\\8Di\\C4\\87'), 'Lučić');
    assert.equal(read('CN=Lučić'), 'Lučić');
    assert.equal(read('CN=#0C024869'), 'Hi');
    assert.equal(read('CN=\\ a \\ '), ' a  ');
    assert.equal(read('CN=a   '), 'a');
    assert.equal(read('CN=a=b'), 'a=b');
    assert.equal(read('CN='), '');
  });

  test('is the same in other clothes (RFC 5280 section 7.1)', () => {
    for (const other of [
      'cn=Payments,o=Example,c=DE',
      '2.5.4.3=Payments, 2.5.4.10=Example, 2.5.4.6=DE',
      'CN = payments , O = EXAMPLE , C = de',
      'CN=\\50ayments,O=  Example,C=#0C024445',
    ]) {
      assert.ok(same('CN=Payments,O=Example,C=DE', other), other);
    }
    assert.ok(same('OU=Sales+CN=J.  Smith,DC=a', 'CN=j. smith+OU=sales,DC=A'));
  });

  test('is another one with any part more, less, other or elsewhere', () => {
    for (const other of [
      'CN=Payments,O=Example',
      'O=Example,C=DE',
      'C=DE,O=Example,CN=Payments',
      'CN=Payments,O=Example,C=FR',
      'CN=Payments,OU=Example,C=DE',
      'CN=Payments,O=Example,C=DE,DC=x',
      'CN=Payments+O=Example,C=DE',
      'CN=Payments\\,O=Example,C=DE',
    ]) {
      assert.ok(!same('CN=Payments,O=Example,C=DE', other), other);
    }
  });

  test('is refused if it is not well formed, and says why', () => {
    for (const [text, why] of [
      ['', /empty/],
      ['  ', /empty/],
      ['Payments', /attribute/],
      ['CN=a,', /attribute/],
      ['CN=a,,O=b', /attribute/],
      ['=a', /attribute/],
      ['XX=a', /XX is not known/],
      ['CN=a;O=b', /";" is not escaped/],
      ['CN="a"', /not escaped/],
      ['CN=a<b', /not escaped/],
      ['CN=a\\', /not escaped/],
      ['CN=a\\zb', /not escaped/],
      ['CN=#0C0248', /./],
      ['CN=#0C02486900', /./],
      ['CN=\\ff', /./],
    ] as const) {
      assert.throws(() => parseDistinguishedName(text), why, text);
      assert.match(wrongSubject('tls_client_auth_subject_dn', text) ?? '', /RFC 4514/, text);
    }
  });

  test('never takes longer or ends otherwise than by a name or a refusal, whatever is given', () => {
    const letters = fc.constantFrom('C', 'N', '=', ',', '+', '\\', '#', '0', 'f', ' ', '"', ';', 'é', '\0');
    fc.assert(
      fc.property(fc.string({ unit: letters, maxLength: 24 }), (text) => {
        try {
          const name = parseDistinguishedName(text);
          assert.ok(areSameName(name, name));
        } catch (problem) {
          assert.ok(problem instanceof Error && problem.name !== 'AssertionError', String(problem));
        }
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('the names in a certificate (RFC 5280)', () => {
  test('are read from every kind of string, and in order', async () => {
    const { x509 } = await certify({
      subject: [
        { C: [{ printableString: 'DE' }] },
        { DC: [{ ia5String: 'example' }] },
        { O: [{ utf8String: 'Exämple, Ltd' }] },
        { OU: [{ bmpString: 'Ünit' }], CN: [{ utf8String: 'both' }] },
      ],
    });
    const is = (dn: string) => certificateIsAbout(x509, 'tls_client_auth_subject_dn', dn);
    assert.ok(is('CN=both+OU=Ünit,O=Exämple\\, Ltd,DC=example,C=DE'));
    assert.ok(!is('CN=both,OU=Ünit,O=Exämple\\, Ltd,DC=example,C=DE'));
  });

  test('a name of one kind does not pass for one of another, and none for part of one', async () => {
    const { x509 } = await certify({
      subject: 'CN=192.0.2.1',
      alternatives: [
        { type: 'dns', value: '*.example.com' },
        { type: 'dns', value: '192.0.2.2' },
        { type: 'url', value: 'https://192.0.2.3/' },
      ],
    });
    assert.ok(!certificateIsAbout(x509, 'tls_client_auth_san_ip', '192.0.2.1'));
    assert.ok(!certificateIsAbout(x509, 'tls_client_auth_san_ip', '192.0.2.2'));
    assert.ok(!certificateIsAbout(x509, 'tls_client_auth_san_dns', 'a.example.com'));
    assert.ok(!certificateIsAbout(x509, 'tls_client_auth_san_dns', 'example.com'));
    assert.ok(certificateIsAbout(x509, 'tls_client_auth_san_dns', '*.EXAMPLE.com'));
    assert.ok(!certificateIsAbout(x509, 'tls_client_auth_san_uri', 'https://192.0.2.3'));
    const { x509: plain } = await certify({ subject: 'CN=plain' });
    for (const kind of ['dns', 'uri', 'ip', 'email'] as const)
      assert.ok(!certificateIsAbout(plain, `tls_client_auth_san_${kind}`, 'plain'));
  });
});
