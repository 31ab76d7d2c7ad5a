import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { parseStoreLocation, type StoreLocation, writtenStoreLocation } from '#src/store-location.ts';

describe('the location of a store', () => {
  test('is a file of SQLite, or a Redis in one of three topologies, with or without TLS', () => {
    const read: [text: string, location: Partial<StoreLocation>][] = [
      ['sqlite:data/keyturn.db', { engine: 'sqlite', path: 'data/keyturn.db' }],
      ['redis://cache', { topology: 'standalone', nodes: [{ host: 'cache', port: 6379 }], tls: false }],
      ['rediss://cache:6380/3', { nodes: [{ host: 'cache', port: 6380 }], tls: true, database: 3 }],
      ['redis://[::1]:7000', { nodes: [{ host: '::1', port: 7000 }], database: 0 }],
      [
        'redis+sentinel://a,b:26380/main/2',
        {
          topology: 'sentinel',
          nodes: [
            { host: 'a', port: 26_379 },
            { host: 'b', port: 26_380 },
          ],
          primaryName: 'main',
          database: 2,
        },
      ],
      [
        'rediss+cluster://a:1,b:2,c:3',
        {
          topology: 'cluster',
          nodes: [
            { host: 'a', port: 1 },
            { host: 'b', port: 2 },
            { host: 'c', port: 3 },
          ],
          tls: true,
        },
      ],
    ];
    for (const [text, expected] of read) {
      const location = parse(text);
      assert.deepEqual({ ...location, ...expected }, location, text);
    }
  });

  test('may carry a user and a password, which no form of it shows', () => {
    const location = parse('redis://ada:p%40ss/w@rd@cache:7000/1');
    assert.ok(location.engine === 'redis');
    assert.equal(location.username, 'ada');
    assert.equal(location.password?.reveal(), 'p@ss/w@rd');
    assert.equal(writtenStoreLocation(location), 'redis://ada@cache:7000/1');
    assert.doesNotMatch(inspect(location) + JSON.stringify(location), /p@ss/);
    const nameless = parse('redis://:secret@cache');
    assert.ok(nameless.engine === 'redis');
    assert.deepEqual([nameless.username, nameless.password?.reveal()], [null, 'secret']);
  });

  test('is written as it is read, but for the password', () => {
    for (const text of [
      'sqlite:/srv/a b.db',
      'redis://cache:6379',
      'rediss://[::1]:6379/4',
      'redis+sentinel://ada%20l@a:26379,b:26379/main',
      'redis+sentinel://a:26379/main/7',
      'rediss+cluster://a:1,b:2',
    ]) {
      assert.equal(writtenStoreLocation(parse(text)), text);
    }
  });

  test('that cannot be understood is refused with the reason, which repeats no password', () => {
    const wrong: [text: string, reason: RegExp][] = [
      ['', /names no store that is known/],
      ['sqlite:', /names no store that is known/],
      ['sqlite::memory:', /would forget everything/],
      ['mysql://root:hunter2@db/keyturn', /names no store that is known/],
      ['redis:cache', /names no store that is known/],
      ['redis://', /no host name and port/],
      ['redis://cache:0', /no host name and port/],
      ['redis://cache:70000', /no host name and port/],
      ['redis://[cache]', /no host name and port/],
      ['redis://a,b', /several servers/],
      ['redis://cache/main', /another path than the number of a database/],
      ['redis://cache?tls=yes', /names no store that is known/],
      ['redis+sentinel://a,b', /another path than the name of the primary/],
      ['redis+sentinel://a/main/x', /another path than the name of the primary/],
      ['redis+cluster://a,b/1', /one database alone/],
      ['redis://ada:hunter2%@cache', /not percent-encoded/],
    ];
    for (const [text, reason] of wrong) {
      const result = parseStoreLocation(text);
      assert.ok('wrong' in result, text);
      assert.match(result.wrong, reason, text);
      assert.doesNotMatch(result.wrong, /hunter2/);
    }
  });
});

function parse(text: string): StoreLocation {
  const location = parseStoreLocation(text);
  return 'wrong' in location ? assert.fail(`${text} ${location.wrong}`) : location;
}
