import { describe, test } from 'vitest';
import { indexUrlProblem } from '../../../../shared/image/index-url.ts';

describe('the address of a package index', () => {
  test.for([
    'https://packages.example/simple',
    'http://127.0.0.1:8080/simple/',
    'https://user:pa55@packages.example/simple',
    'https://packages.example',
  ])('%s can be one', (url, { expect }) => {
    expect(indexUrlProblem(url)).toBeNull();
  });

  test.for([
    '',
    'packages.example/simple',
    'file:///etc/secret',
    'https://',
    'https://secret host/',
    'https://a/\nsecret',
  ])('%j can not', (url, { expect }) => {
    const problem = indexUrlProblem(url);
    expect(problem?.message).toBe('is no http or https address.');
    expect(problem?.hint).not.toContain('secret');
  });

  test.for([
    'https://packages.example/simple?token=s3cret',
    'https://packages.example/simple#s3cret',
    'https://user:s3cret@packages.example/simple?',
    'https://user:s3cret@packages.example/simple?a#s3cret',
  ])('%s is refused, without its secret', (url, { expect }) => {
    const problem = indexUrlProblem(url);
    expect(problem?.message).toMatch(/^https:\/\/packages\.example\/simple has a query/);
    expect(JSON.stringify(problem)).not.toContain('s3cret');
    expect(problem?.hint).toContain('USER:TOKEN@');
  });

  test.for([
    'https://user:1?s3cret@packages.example/simple',
    'https://user:1#s3cret@packages.example/simple',
  ])('%s shows nothing of a password that was not escaped', (url, { expect }) => {
    expect(indexUrlProblem(url)?.message).toMatch(/^has a query/);
  });
});
