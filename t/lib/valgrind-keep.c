/*
 * Preloaded under valgrind, see valgrind.sh: what was loaded stays loaded.
 * Memory is lost when nobody points to it, and the variables of a library
 * that has been unloaded are nobody.
 */

int dlclose(void *handle);


int
dlclose(void *handle)
{
    (void) handle;

    return 0;
}
