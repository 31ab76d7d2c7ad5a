import fc from 'fast-check';

/**
 * Properties for the tests, the same in every run: a change that passed cannot fail on an input that only a later
 * run thought of. `KEYTURN_TEST_SEED=<integer>` looks elsewhere.
 */
fc.configureGlobal({ seed: Number(process.env.KEYTURN_TEST_SEED ?? 20_260_714) });

export { fc };
