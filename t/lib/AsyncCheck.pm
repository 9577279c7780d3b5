package AsyncCheck;

# What the --- check of a block can say, see AsyncNginx.  It is Perl, run as
# one subtest when nginx is up; $t is an AsyncTest that speaks to the block's
# server, and besides Test::More there is
#
#   submit, get, request, raw, wait_job, submit_and_wait   as in AsyncTest
#   executions()        requests the backend has got in this block
#   seen($n)            the n-th of them: (head, body); the last without n
#   jobs()              jobs in the store, which must be free of faults
#   logged(qr/.../)     a line of the access log, waited for
#   log_lines(qr/.../)  those that are there
#   error_logged(qr/.../)  a line of the error log, waited for
#   nginx_t()           nginx -t of the block's file: (exit code, what it said)

use strict;
use warnings;

use AsyncTest;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IO::Socket::UNIX;
use JSON::PP ();
use Test::More;

our ($t, $first, $error_log, $access_log);

my $top = abs_path(dirname(__FILE__) . '/../..');

for my $name (qw(submit get request raw wait_job submit_and_wait)) {
    no strict 'refs';
    *$name = sub { return $t->$name(@_) };
}


sub run {
    my ($name, $code, %where) = @_;

    # what was started for earlier blocks is theirs
    local $t = bless {
        pids => {}, %where, program => "$top/build/nginx-async",
    }, 'AsyncTest';
    local $first = $where{ports}{BACKEND} ? _total() : 0;
    ($error_log, $access_log) =
        map { "$where{servroot}/logs/$_.log" } qw(error access);

    subtest $name => sub {
        my $done = eval "package AsyncCheck; use strict; use warnings;\n"
                        . "$code\n; 1";
        fail("the check came to its end: $@") if !$done;
    };
}


sub _total { return $t->backend_stats->{executions} }


sub executions { return _total() - $first }


sub seen {
    my ($n) = @_;
    return $t->backend_request(defined $n ? $first + $n : _total());
}


# the figures of nginx-async check; it is an error if they cannot be had
sub figures {
    my ($status, $out);

    poll_until(10, sub {
        ($status, $out) = $t->command('check', '--json');
        return $status == 0;
    });

    my ($json) = ($out // '') =~ /^(\{.*\})$/m;
    die "nginx-async check: $status, $out\n" if $status || !$json;
    return JSON::PP::decode_json($json);
}


sub jobs { return figures()->{jobs} }


sub log_lines {
    my ($pattern) = @_;
    return grep { $_ =~ $pattern } split /\n/, slurp($access_log) // '';
}


sub logged {
    my ($pattern) = @_;
    my $line = poll_until(10, sub { (log_lines($pattern))[0] });
    return $line // '';
}


# a line of the error log
sub error_logged {
    my ($pattern) = @_;
    return poll_until(10, sub {
        (grep { $_ =~ $pattern } split /\n/, slurp($error_log) // '')[0];
    }) // '';
}


sub nginx_t {
    my $root = "$t->{servroot}/";
    my $out  = `$ENV{TEST_NGINX_BINARY} -t -e stderr -p $root -c conf/nginx.conf 2>&1`;
    return ($? >> 8, $out);
}


1;
