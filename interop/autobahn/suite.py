# -*- coding: utf-8 -*-
"""Runs a share of the Autobahn testsuite. Python 2.7, as the suite needs it.

    suite.py client URL OUT SHARE SHARES   the suite connects to an echo server at URL
    suite.py server OUT SHARE SHARES       an echo client connects to the suite; prints its URL
    suite.py check OUT...                  reads the reports, prints what they say, fails unless all is well

A share takes every SHARES-th case. CASES in the environment, such as "1.* 7.1.1", picks some cases.
"""

import collections
import json
import os
import sys

CASES = 517


def spec(out, share, shares, **more):
    from autobahntestsuite.caseset import CaseSet
    from autobahntestsuite.case import CaseBasename, CaseCategories, Cases, CaseSetname, CaseSubCategories
    cases = CaseSet(CaseSetname, CaseBasename, Cases, CaseCategories, CaseSubCategories)
    wanted = os.environ.get('CASES', '*').split()
    # The slowest come last; dealt out in turn they are spread over all shares.
    chosen = cases.parseSpecCases({'cases': wanted})[int(share)::int(shares)]
    return dict(more, outdir=out, cases=chosen)


def run_client(url, out, share, shares):
    from twisted.internet import reactor
    from autobahntestsuite import fuzzing
    factory = fuzzing.FuzzingClientFactory(spec(out, share, shares, servers=[{'agent': 'motet', 'url': url}]))
    reactor.run()


def run_server(out, share, shares):
    from twisted.internet import reactor
    from autobahntestsuite import fuzzing
    factory = fuzzing.FuzzingServerFactory(spec(out, share, shares, url='ws://127.0.0.1:1'))
    port = reactor.listenTCP(0, factory, interface='127.0.0.1')
    url = 'ws://127.0.0.1:%d' % port.getHost().port
    factory.setSessionParameters(url=url)
    sys.stdout.write('serves %s\n' % url)
    sys.stdout.flush()
    reactor.run()


def check(folders):
    cases, slowest = {}, []
    for folder in folders:
        with open(os.path.join(folder, 'index.json')) as index:
            for case, result in json.load(index)['motet'].items():
                if case in cases:
                    sys.exit('case %s is in two reports' % case)
                cases[case] = result
    bad = 0
    tally = collections.Counter()
    for case, result in sorted(cases.items()):
        tally[result['behavior']] += 1
        good = ('OK', 'INFORMATIONAL')
        if result['behavior'] not in good or result['behaviorClose'] not in good:
            bad += 1
            print('case %s: %s, closing %s, code %s, in %s' % (
                case, result['behavior'], result['behaviorClose'], result['remoteCloseCode'], result['reportfile']))
    failed = sum(count for name, count in tally.items() if name not in ('OK', 'INFORMATIONAL', 'NON-STRICT'))
    print('%d cases: %d ok, %d informational, %d non-strict, %d failed; %d s in cases' % (
        len(cases), tally['OK'], tally['INFORMATIONAL'], tally['NON-STRICT'], failed,
        sum(result['duration'] for result in cases.values()) // 1000))
    if 'CASES' not in os.environ and len(cases) != CASES:
        sys.exit('%d cases were to be run' % CASES)
    if not cases or bad:
        sys.exit('%d cases are not as they should be' % bad)


if __name__ == '__main__':
    arguments = sys.argv[1:]
    {'client': run_client, 'server': run_server, 'check': lambda *folders: check(folders)}[arguments[0]](*arguments[1:])
