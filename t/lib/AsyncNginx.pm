package AsyncNginx;

# Test::Nginx for this module: a file of blocks says
#
#   use AsyncNginx;
#
#   plan tests => repeat_each() * blocks() * 3;
#   run_tests();
#   __DATA__
#   ...
#
# and each block has our module, a store of its own and, once nginx is up, a
# worker.  Sections besides those of Test::Nginx:
#
#   --- store: sync=relaxed    what follows async_store's path; off: no store
#   --- no_worker              nobody executes the jobs
#   --- expect_log: pattern    a line as bad as [alert] is right here
#   --- check                  Perl, see AsyncCheck: one test, which may take
#                              the place of a request
#   --- prepare                Perl, before nginx starts
#   --- refused: sentence      nginx must not start, and say this: two tests
#
# In configuration $TEST_NGINX_STORE is the store, $TEST_NGINX_BACKEND the
# host:port of backend.py, started when a block names it, $TEST_NGINX_PORT_2
# a second port of the file, $TEST_NGINX_DATA a folder for a block's files.
#
# The store lies outside of Test::Nginx's server root, where it would stop
# at files that it does not know, and would remove the store under a running
# nginx in HUP mode.  What nginx logs is collected in build/t/suite-<name>/
# error.log, the shutdown of each block included.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Path qw(make_path remove_tree);
use POSIX qw(WNOHANG);

my ($root, $stores, $data, $store, $worker, $backend, $block_number);
my $valgrind;
my $test = $$;

# compiled before Test::Nginx's own END, and therefore run after it: nginx
# has ended then
END {
    if ($test && $$ == $test) {
        my $status = $?;
        _stop($_) for grep { $_ } $worker, $backend;
        remove_tree($stores) if $stores;
        $? = $status;
    }
}

BEGIN {
    my $top  = abs_path(dirname(__FILE__) . '/../..');
    my $name = basename($0, '.t');

    $valgrind = delete $ENV{TEST_NGINX_USE_VALGRIND};
    $name .= $valgrind ? '-valgrind' : $ENV{TEST_NGINX_USE_HUP} ? '-hup' : '';

    $test   = $$;
    $root   = "$top/build/t/suite-$name";     # flows have the same names
    $stores = "$root/store";
    $data   = "$root/data";
    remove_tree($root);
    make_path($stores, $data);

    if ($valgrind) {
        $ENV{ASYNC_VALGRIND}     = "$root/valgrind";
        $ENV{TEST_NGINX_BINARY}  = "$top/t/lib/valgrind.sh";
        $ENV{TEST_NGINX_TIMEOUT} = 60;
        make_path($ENV{ASYNC_VALGRIND});
    }

    $ENV{TEST_NGINX_BINARY}  ||= "$top/build/nginx";
    $ENV{TEST_NGINX_SERVROOT} = "$root/servroot";
    $ENV{TEST_NGINX_DATA}     = $data;
    unshift @INC, "$top/build/perl/usr/share/perl5";
}

use AsyncCheck ();
use AsyncTest qw(poll_until slurp);
use Test::Nginx::Socket -Base;


my $top = abs_path(dirname(__FILE__) . '/../..');


# everything listens on loopback, whatever form a block chose
my $write = \&Test::Nginx::Util::write_config_file;

no warnings 'redefine';
*Test::Nginx::Util::write_config_file = sub ($$$) {
    my @result = $write->(@_);
    my $conf   = "$root/servroot/conf/nginx.conf";
    my $text   = slurp($conf);

    $text =~ s/(\blisten\s+)(\d+\b)(?!\.)/${1}127.0.0.1:$2/g;
    _write($conf, $text);
    return @result;
};
use warnings 'redefine';


add_block_preprocessor(sub {
    my ($block) = @_;

    if (defined(my $sentence = _section($block, 'refused'))) {
        $block->set_value(must_die => 1);
        $block->set_value(suppress_stderr => 1);
        $block->set_value(error_log => [qr/\[emerg\] .*\Q$sentence\E/]);
    }

    my $main  = "load_module $top/build/ngx_http_async_module.so;\n";

    $store = "$stores/" . ++$block_number;

    $ENV{TEST_NGINX_STORE}   = $store;
    $ENV{TEST_NGINX_PORT_2}  = server_port() + 2;
    $ENV{TEST_NGINX_BACKEND} = _backend()
        if grep { defined && /TEST_NGINX_BACKEND/ }
                $block->config, $block->http_config;

    # a second log: Test::Nginx removes its own before the next block
    $main .= "error_log $root/error.log warn;\n"
        if !defined $block->must_die;


    my $given = _section($block, 'store') // '';

    # valgrind has no room for a map of 64g
    $given = "size=1g $given"
        if $valgrind && $given ne 'off' && $given !~ /size=/;

    my $http  = $given eq 'off' ? '' : "async_store $store $given;\n";
    my $init  = $given eq 'off' || defined _section($block, 'no_worker')
                || defined $block->must_die
                ? '' : "AsyncNginx::_start_worker('$store');";

    _write("$root/expected-log", "$_\n", 'append')
        for grep { defined } _section($block, 'expect_log');

    $block->set_value(main_config => $main . ($block->main_config // ''));
    $block->set_value(http_config => $http . ($block->http_config // ''));
    $block->set_value(init        => $init . ($block->init // ''));

    if (defined(my $code = _section($block, 'prepare'))) {
        $code = "package AsyncCheck; $code; 1";
        eval $code or die 'prepare: ', $block->name, ": $@";
    }
});


# a block with a check needs no request of Test::Nginx's
my $helper = $Test::Nginx::Util::RunTestHelper;

$Test::Nginx::Util::RunTestHelper = sub ($$) {
    my ($block, @rest) = @_;
    my $check = _section($block, 'check');

    $helper->($block, @rest) if defined $block->request;

    AsyncCheck::run($block->name, $check, pids => { worker => $worker },
        root       => $root,
        servroot   => "$root/servroot",
        store_path => $store,
        ports      => {
            ''      => server_port(),
            2       => $ENV{TEST_NGINX_PORT_2},
            BACKEND => $backend ? _backend() =~ s/.*://r : 0,
        },
    ) if defined $check;
};


add_test_cleanup_handler(sub { _stop_worker() });


# a section that Test::Nginx does not know, without its end of line
sub _section() {
    my ($block, $name) = @_;
    my ($value) = $block->{$name} ? @{ $block->{$name} } : ();
    $value =~ s/\s+\z// if defined $value;
    return $value;
}


sub _write() {
    my ($path, $text, $append) = @_;
    open my $out, $append ? '>>' : '>', $path or die "$path: $!";
    print $out $text;
    close $out or die "$path: $!";
}


sub _spawn() {
    my ($log, @command) = @_;
    my $pid = fork // die "fork: $!";
    return $pid if $pid;

    open STDIN, '<', '/dev/null';
    open STDOUT, '>>', "$root/$log";
    open STDERR, '>&', \*STDOUT;
    exec { $command[0] } @command or POSIX::_exit(127);
}


sub _stop() {
    my ($pid) = @_;
    kill 'TERM', $pid;
    return if poll_until(10, sub { waitpid($pid, WNOHANG) != 0 });
    kill 'KILL', $pid;
    waitpid $pid, 0;
}


sub _start_worker() {
    my ($store) = @_;
    $worker = _spawn('worker.log', $valgrind ? "$top/t/lib/valgrind.sh" : (),
                     "$top/build/nginx-async", 'worker', '--store', $store);
}


sub _stop_worker() {
    _stop($worker) if $worker;
    undef $worker;
}


sub _backend() {
    my $port = "$root/backend.log";

    if (!$backend) {
        unlink $port;
        make_path("$root/backend");
        $backend = _spawn('backend.log', 'python3', "$top/t/lib/backend.py",
                          "$root/backend");
        poll_until(20, sub { (slurp($port) // '') =~ /^\d+\n/ })
            or die 'the backend does not start: ', slurp($port) // '';
    }

    my ($number) = slurp($port) =~ /^(\d+)\n/;
    return "127.0.0.1:$number";
}


1;
