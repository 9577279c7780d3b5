package AsyncPreload;

# What the fault tests share: the programs and libraries of t/fault/lib, and
# the file by which the libraries are told what to do.
#
#   my $control = AsyncPreload->new($t, 'full');         # preload_full.so
#   $control->preloaded(sub { $t->start_nginx });
#   $control->set(every => 3);
#   $control->get('failed');

use strict;
use warnings;

use AsyncTest;
use Exporter qw(import);
use File::Temp qw(tempdir);
use Test::More;

our @EXPORT = qw(long_run fault_program tmpfs_folder run_program);

# the fields of control_t, in order
my @fields = qw(every calls failed offset room part held);


# what a test does in a short run, and in one with FAULT=long
sub long_run {
    my ($short, $long) = @_;
    return ($ENV{FAULT} // '') eq 'long' ? $long : $short;
}


sub fault_program {
    my ($t, $name) = @_;
    my $path = "$t->{top}/build/fault/$name";
    die "$path is missing: make fault\n" if !-x $path;
    return $path;
}


# a folder in memory, if there is such a place, which is removed at the end
sub tmpfs_folder {
    my @where = -w '/dev/shm' ? (DIR => '/dev/shm') : (TMPDIR => 1);
    return tempdir('async-XXXXXX', @where, CLEANUP => 1);
}


# (exit code, stdout, stderr) of a program, with these environment variables
sub run_program {
    my ($t, $env, @command) = @_;
    my $pid = fork // die "fork: $!";
    my @to  = map { "$t->{root}/program.$_" } qw(out err);

    if ($pid == 0) {
        $ENV{$_} = $env->{$_} for keys %$env;
        open STDOUT, '>', $to[0] or die $!;
        open STDERR, '>', $to[1] or die $!;
        exec { $command[0] } @command or POSIX::_exit(127);
    }

    waitpid $pid, 0;
    return ($? & 127 ? "signal $?" : $? >> 8, map { slurp($_) } @to);
}


sub new {
    my ($class, $t, $library) = @_;
    my $self = bless {
        library => fault_program($t, "preload_$library.so"),
        file    => "$t->{root}/control.$library",
        store   => $t->store,
    }, $class;

    $t->write_file($self->{file}, "\0" x (8 * @fields));
    chmod 0666, $self->{file};
    return $self;
}


# programs that are started in the sub get the library
sub preloaded {
    my ($self, $sub) = @_;
    local $ENV{LD_PRELOAD}    = $self->{library};
    local $ENV{FAULT_CONTROL} = $self->{file};
    local $ENV{FAULT_STORE}   = $self->{store};
    return $sub->();
}


sub _at {
    my ($name) = @_;
    my ($at) = grep { $fields[$_] eq $name } 0 .. $#fields;
    return 8 * ($at // die "no field $name");
}


sub set {
    my ($self, %values) = @_;
    open my $file, '+<:raw', $self->{file} or die "$self->{file}: $!";

    for my $name (sort keys %values) {
        seek $file, _at($name), 0;
        print $file pack 'q', $values{$name};
    }

    close $file or die "$self->{file}: $!";
    return $self;
}


sub get {
    my ($self, $name) = @_;
    return unpack 'q', substr slurp($self->{file}), _at($name), 8;
}


1;
