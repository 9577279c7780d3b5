#!/usr/bin/env perl

# Run by t/run after all others: no test was skipped, and none has left a
# line that bad in a log of nginx, but for those that it said it would cause.

use strict;
use warnings;

use AsyncTest;
use File::Find qw(find);
use Test::More;

my @logs;
find({ wanted => sub { push @logs, $_ if m{/error\.log$} && -f },
       no_chdir => 1, follow_fast => 1, follow_skip => 2 }, 'build/t')
    if -d 'build/t';

# Test::Nginx's own logs are those of the last block, collected already
@logs = grep { !m{/servroot/} } @logs;

is($ENV{SKIPPED} // '', '', 'nothing was skipped');
is_deeply([bad_log_lines($_)], [], $_) for sort @logs;
ok(1, 'looked at ' . @logs . ' logs');
done_testing;
