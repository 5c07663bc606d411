// Package e2e proves the whole path: images that Packer bakes, a stack that is launched in a lab of its own, and what
// happens when its nodes are replaced, killed or handed nonsense. It runs as root, with the tag root.
//
// The test is a table of sections (sections_root_test.go) that share one stack, which is baked and launched once:
//
//	make e2e                    all of them, but for the long ones
//	make e2e RUN=.              these, too
//	make e2e LIST=1             their names, what each proves and what it needs; nothing is run
//	make e2e RUN=replace        those whose name matches a regular expression
//	make e2e RUN=quar KEEP=1    the same, and the lab and the stack stay for the next run
//	make e2e FRESH=1            a kept stack is not taken over
//	make e2e RENAMED=1          the built-in roles are the user's own, by other names
//
// Before a section the harness waits until what the section needs is there, and says what is missing when it does not
// come. After it the stack must be as it was found: the same nodes, all healthy, one writer, no other Droplet, no fault
// in force, the same stack.yaml. If it is not, the section has failed; the harness then repairs the stack with the
// commands that an operator has, or launches it anew, and the next section begins.
//
// A run with KEEP=1 leaves a record in .cache/e2e of what its lab, its images and its stack were made of. The next run
// takes all three over while the programs, the roles and stack.yaml are the same, and launches or bakes anew what
// is not. There is no record while a run goes on, so that one that was interrupted or killed is known: the next run
// resets its lab and ends what it left running. The lab's name comes from the path of the checkout.
package e2e
